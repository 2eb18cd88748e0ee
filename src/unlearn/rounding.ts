/** @file Round to nearest, as a deployment would: each linear weight on a grid of 2^bits - 1 levels, the scale from its largest value. */
import {
  transposedLinears,
  type Architecture,
  type Parameters,
  type Weights,
} from "../models/index.ts";
import {
  abs,
  add,
  amax,
  clamp,
  div,
  disposeAll,
  keep,
  linear,
  mul,
  mulScalar,
  noGrad,
  reshape,
  sign,
  sub,
  t,
  tidy,
  toDType,
  type Tensor,
} from "../torch/index.ts";

/** 8 bits: a scale a row. 4 bits: a scale for each 64 weights of a row, where they divide it. */
const GROUP = 64;

/** w → s·round(w / s), s = max|w| / (2^(bits-1) - 1) over the group; halves away from zero. Limit: bits → ∞ gives w. */
export function rounded(weight: Tensor, bits: number, { group }: { group: number }): Tensor {
  return tidy(() => {
    const levels = 2 ** (bits - 1) - 1;
    const groups = reshape(weight, [-1, group]); // (G, group)
    const scale = clamp(mulScalar(amax(abs(groups), { dim: [1], keepdim: true }), 1 / levels), {
      min: 1e-12,
    });
    const steps = div(groups, scale);
    const nearest = toDType(
      toDType(add(steps, mulScalar(sign(steps), 0.5)), "int64"), // towards zero
      weight.dtype,
    );
    return reshape(mul(nearest, scale), weight.shape);
  });
}

/** The weight of a linear layer as it is stored, rounded. */
export function roundedLinear(weight: Tensor, bits: 4 | 8): Tensor {
  const width = weight.shape[1]!;
  return rounded(weight, bits, { group: bits === 4 && width % GROUP === 0 ? GROUP : width });
}

/** All linear weights rounded; embeddings, norms and biases as they are. The caller disposes what is new. */
export function roundedParameters(
  arch: Architecture,
  params: Parameters,
  bits: 4 | 8,
): { params: Parameters; made: readonly Tensor[] } {
  const made: Tensor[] = [];
  const out = new Map(params);
  for (const l of arch.linears) {
    const name = `${l.name}.weight`;
    const value = noGrad(() => tidy(() => keep(roundedLinear(params.get(name)!, bits))));
    made.push(value);
    out.set(name, value);
  }
  return { params: out, made };
}

/** As flags say it: bits, or that nothing is rounded. */
export type Rounding = "4" | "8" | "none";

export type Twin = {
  /** The twin of weights that started at θ0. */
  readonly of: (weights: Weights) => Weights;
  readonly dispose: () => void;
};

/**
 * Weights beside their twin, whose linear layers carry the errors that rounding makes in θ0: W + D has the twin Q(W) + D, which
 * stands for Q(W + D) (LOG.md: they forget alike), and D can be trained in it. Holds the errors: the linear weights once more.
 */
export function roundedTwin(arch: Architecture, theta0: Weights, bits: 4 | 8): Twin {
  const transposed = transposedLinears(arch);
  const errors = new Map(
    arch.linears.map(({ name }) => [name, keepError(theta0.get(`${name}.weight`), bits)] as const),
  );
  return {
    of: (weights) => ({
      ...weights,
      stem: undefined, // ran in weights without the errors
      linear(name, x) {
        const error = errors.get(name)!;
        return add(weights.linear(name, x), linear(x, transposed.has(name) ? t(error) : error));
      },
    }),
    dispose: () => disposeAll(errors),
  };
}

/** The twin that a setting asks for. */
export const twinFor = (
  rounding: Rounding,
  { arch, weights }: { readonly arch: Architecture; readonly weights: Weights },
): Twin | undefined =>
  rounding === "none" ? undefined : roundedTwin(arch, weights, rounding === "4" ? 4 : 8);

/** Q(W) - W, in float32 whatever the dtype of W, kept in that dtype. */
const keepError = (stored: Tensor, bits: 4 | 8): Tensor =>
  noGrad(() =>
    tidy(() => {
      const weight = toDType(stored, "float32");
      return keep(toDType(sub(roundedLinear(weight, bits), weight), stored.dtype));
    }),
  );
