/**
 * @file Writes in few directions: W + B Uᵀ, U fixed, B (out, r) from zero. The gradient of B is δᵀ(x U): no gradient of the
 * size of W is ever made, and the optimiser's moments are r / d_in of the dense ones. U and B are the patch.
 */
import {
  plainWeights,
  stemOf,
  type Architecture,
  type Parameters,
  type Weights,
} from "../../models/index.ts";
import {
  add,
  add_,
  clone,
  detach,
  disposeAll,
  keep,
  linear,
  matmul,
  noGrad,
  requiresGrad,
  t,
  tidy,
  toDType,
  zeros,
  copy_,
  type Tensor,
} from "../../torch/index.ts";
import type { Writer } from "./types.ts";

/** U (in, r) float32 of each linear layer that is written to; layers that share an input may share one tensor. */
export type Directions = ReadonlyMap<string, Tensor>;

export type FactorsWriter = Writer & {
  readonly directions: Directions;
  /** B (out, r) by layer name. */
  readonly factors: ReadonlyMap<string, Tensor>;
};

/** Takes ownership of the directions. */
export function factorsWriter(
  arch: Architecture,
  params: Parameters,
  directions: Directions,
): FactorsWriter {
  const base = plainWeights(arch, params);
  const dtype = base.get(arch.head).dtype;
  const layers = arch.linears.filter((l) => directions.has(l.name));
  const factors = new Map<string, Tensor>();
  const seen = new Map<string, Tensor>(); // what the forward pass multiplies with: B in the compute dtype
  const narrow = new Map<Tensor, Tensor>(); // U likewise, one per distinct tensor
  for (const l of layers) {
    const u = directions.get(l.name)!;
    const rank = u.shape[1]!;
    if (!narrow.has(u)) {
      narrow.set(u, dtype === "float32" ? u : keep(tidy(() => keep(toDType(u, dtype)))));
    }
    tidy(() => {
      factors.set(l.name, keep(zeros([l.outFeatures, rank])));
      seen.set(l.name, keep(requiresGrad(zeros([l.outFeatures, rank], { dtype }))));
    });
  }
  const leaves = arch.parts.blocks.map((_, block) =>
    layers
      .filter((l) => l.block === block)
      .map((l) => ({ name: l.name, tensor: seen.get(l.name)! })),
  );
  const lowest = Math.min(...layers.map((l) => l.block));
  const stem = lowest > 0 && layers.length > 0 ? stemOf(arch, base, lowest) : undefined;
  const beside = (weights: Weights): Weights => ({
    get: weights.get,
    linear(name, x) {
      const y = weights.linear(name, x);
      const b = seen.get(name);
      return b === undefined ? y : add(y, linear(matmul(x, narrow.get(directions.get(name)!)!), b));
    },
  });
  const total = layers.reduce((sum, l) => sum + l.inFeatures * l.outFeatures, 0);
  const rank = Math.max(...[...directions.values()].map((u) => u.shape[1]!));
  return {
    kind: "factors",
    directions,
    factors,
    trainable: {
      weights: { ...beside(base), stem },
      leavesOf: (part) => (typeof part === "number" ? leaves[part]! : []),
      trainedHead: undefined,
    },
    beside,
    variables: factors,
    gradient: (_, gradient) => toDType(gradient, "float32"),
    publish: () =>
      noGrad(() =>
        tidy(() => factors.forEach((b, name) => void copy_(detach(seen.get(name)!), b))),
      ),
    merged(parameter) {
      const name = parameter.replace(/\.weight$/, "");
      const b = factors.get(name);
      if (b === undefined || !parameter.endsWith(".weight")) return undefined;
      return noGrad(() =>
        tidy(() =>
          mergeFactors(
            params.get(parameter)!,
            b,
            directions.get(name)!,
            arch.linears.find((l) => l.name === name)?.transposed === true,
          ),
        ),
      );
    },
    selection: { selected: [...factors.values()].reduce((sum, b) => sum + b.size, 0), total, rank },
    dispose() {
      stem?.dispose();
      disposeAll([
        factors,
        seen,
        [...narrow].filter(([u, n]) => u !== n).map(([, n]) => n),
        [...new Set(directions.values())],
      ]);
    },
  };
}

/** W + B Uᵀ in float32, however W is stored. */
export function mergeFactors(weight: Tensor, b: Tensor, u: Tensor, transposed: boolean): Tensor {
  const change = matmul(b, t(u)); // (out, in)
  return add_(clone(toDType(weight, "float32")), transposed ? t(change) : change);
}
