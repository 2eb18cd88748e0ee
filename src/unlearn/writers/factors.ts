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
import { leavesByPart } from "./leaves.ts";
import type { Writer } from "./types.ts";

/** U (in, r) float32 of each linear layer that is written to; layers that share an input may share one tensor. */
export type Directions = ReadonlyMap<string, Tensor>;

export type FactorsWriter = Writer & {
  readonly directions: Directions;
  /** B (out, r) by layer name. */
  readonly factors: ReadonlyMap<string, Tensor>;
};

type Options = {
  /** P (out, out) by layer: an optimiser is shown P g of a gradient g and its step s is taken as P s, that is, on C of B = P C. */
  preconditioners?: ReadonlyMap<string, Tensor>;
};

/** Takes ownership of the directions and of what steps are preconditioned with. */
export function factorsWriter(
  arch: Architecture,
  params: Parameters,
  directions: Directions,
  { preconditioners = new Map() }: Options = {},
): FactorsWriter {
  const base = plainWeights(arch, params);
  const dtype = base.get(arch.head).dtype;
  const layers = arch.linears.filter((l) => directions.has(l.name));
  const { factors, seen, narrow } = fromZero(layers, directions, dtype);
  const parts = layers.map(({ name, block }) => ({ name, part: block }));
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
  const through = (name: string, step: Tensor): Tensor => {
    const p = preconditioners.get(name);
    return p === undefined ? step : matmul(p, step); // (out, r)
  };
  const total = layers.reduce((sum, l) => sum + l.inFeatures * l.outFeatures, 0);
  const rank = Math.max(...[...directions.values()].map((u) => u.shape[1]!));
  return {
    kind: "factors",
    directions,
    factors,
    trainable: {
      weights: { ...beside(base), stem },
      leavesOf: leavesByPart(parts, seen),
      trainedHead: undefined,
    },
    beside,
    variables: factors,
    gradient: (name, gradient) => through(name, toDType(gradient, "float32")),
    project: preconditioners.size > 0 ? through : undefined,
    publish: () =>
      noGrad(() =>
        tidy(() => factors.forEach((b, name) => void copy_(detach(seen.get(name)!), b))),
      ),
    merged(parameter) {
      const layer = layers.find((l) => parameter === `${l.name}.weight`);
      if (layer === undefined) return undefined;
      const [b, u] = [factors.get(layer.name)!, directions.get(layer.name)!];
      const transposed = layer.transposed === true;
      return noGrad(() => tidy(() => mergeFactors(params.get(parameter)!, b, u, transposed)));
    },
    selection: { selected: [...factors.values()].reduce((sum, b) => sum + b.size, 0), total, rank },
    dispose() {
      stem?.dispose();
      disposeAll([
        factors,
        seen,
        [...narrow].filter(([u, n]) => u !== n).map(([, n]) => n),
        [...new Set(directions.values())],
        preconditioners,
      ]);
    },
  };
}

type Factors = {
  /** B (out, r) float32, as the optimiser moves it. */
  readonly factors: Map<string, Tensor>;
  /** B in the compute dtype, as the forward pass multiplies with it. */
  readonly seen: Map<string, Tensor>;
  /** U likewise, one per distinct tensor. */
  readonly narrow: Map<Tensor, Tensor>;
};

function fromZero(
  layers: Architecture["linears"],
  directions: Directions,
  dtype: Tensor["dtype"],
): Factors {
  const factors = new Map<string, Tensor>();
  const seen = new Map<string, Tensor>();
  const narrow = new Map<Tensor, Tensor>();
  for (const { name, outFeatures } of layers) {
    const u = directions.get(name)!;
    const shape = [outFeatures, u.shape[1]!];
    if (!narrow.has(u)) {
      narrow.set(u, dtype === "float32" ? u : keep(tidy(() => keep(toDType(u, dtype)))));
    }
    tidy(() => {
      factors.set(name, keep(zeros(shape)));
      seen.set(name, keep(requiresGrad(zeros(shape, { dtype }))));
    });
  }
  return { factors, seen, narrow };
}

/** W + B Uᵀ in float32, however W is stored. */
export function mergeFactors(weight: Tensor, b: Tensor, u: Tensor, transposed: boolean): Tensor {
  const change = matmul(b, t(u)); // (out, in)
  return add_(clone(toDType(weight, "float32")), transposed ? t(change) : change);
}
