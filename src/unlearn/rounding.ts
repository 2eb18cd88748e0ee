/** @file Round to nearest, as a deployment would: each linear weight on a grid of 2^bits - 1 levels, the scale from its largest value. */
import { transposedLinears, type Architecture, type Weights } from "../models/index.ts";
import {
  abs,
  add,
  amax,
  clamp,
  div,
  linear,
  mul,
  mulScalar,
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

/** The same weights, those of linear layers rounded on every use: for few texts. */
export function roundedWeights(arch: Architecture, weights: Weights, bits: 4 | 8): Weights {
  const transposed = transposedLinears(arch);
  return {
    get: weights.get,
    linear: (name, x) =>
      tidy(() => {
        const weight = weights.get(`${name}.weight`);
        const error = sub(roundedLinear(weight, bits), weight);
        return add(weights.linear(name, x), linear(x, transposed.has(name) ? t(error) : error));
      }),
  };
}
