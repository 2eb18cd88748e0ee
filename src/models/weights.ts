/** @file The plain way to a model's weights, and a way that lets someone watch what flows into its linear layers. */
import { linear, t, type Tensor } from "../torch/index.ts";
import type { Architecture, Weights } from "./types.ts";

export type Parameters = ReadonlyMap<string, Tensor>;

/** Names of the linear layers whose weight is stored (in, out). */
export const transposedLinears = (arch: Architecture): ReadonlySet<string> =>
  new Set(arch.linears.filter((l) => l.transposed === true).map((l) => l.name));

/** Weights straight from the parameters. */
export function plainWeights(arch: Architecture, params: Parameters): Weights {
  const transposed = transposedLinears(arch);
  const get = (name: string): Tensor => {
    const found = params.get(name);
    if (found === undefined) {
      throw new RangeError(`weights: expected a parameter of ${arch.modelType}, got "${name}"`);
    }
    return found;
  };
  return {
    get,
    linear(name, x) {
      const weight = get(`${name}.weight`);
      const bias = params.get(`${name}.bias`);
      return linear(
        x,
        transposed.has(name) ? t(weight) : weight,
        bias === undefined ? {} : { bias },
      );
    },
  };
}

/** The same weights; `watch` sees the input x (…, in) of each linear layer. */
export function watched(weights: Weights, watch: (name: string, x: Tensor) => void): Weights {
  return {
    get: weights.get,
    linear(name, x) {
      watch(name, x);
      return weights.linear(name, x);
    },
  };
}
