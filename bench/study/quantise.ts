/** @file Round to nearest, as a deployment would: each linear weight on a grid of 2^bits - 1 levels, the scale from its largest value. */
import type { Architecture, Parameters } from "../../src/models/index.ts";
import {
  abs,
  add,
  amax,
  clamp,
  div,
  keep,
  mul,
  mulScalar,
  noGrad,
  reshape,
  sign,
  tidy,
  toDType,
  type Tensor,
} from "../../src/torch/index.ts";

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

/** All linear weights rounded; embeddings, norms and biases as they are. The caller disposes what is new. */
export function quantised(
  arch: Architecture,
  params: Parameters,
  bits: 4 | 8,
): { params: Parameters; made: readonly Tensor[] } {
  const made: Tensor[] = [];
  const out = new Map(params);
  for (const l of arch.linears) {
    const name = `${l.name}.weight`;
    const weight = params.get(name)!;
    const width = weight.shape[1]!;
    const group = bits === 4 && width % GROUP === 0 ? GROUP : width;
    const value = noGrad(() => tidy(() => keep(rounded(weight, bits, { group }))));
    made.push(value);
    out.set(name, value);
  }
  return { params: out, made };
}
