/**
 * @file Shorter steps where ordinary text feels them: the second factor of K-FAC (Martens & Grosse 2015, arXiv 1503.05671), the first
 * being the directions. To second order a change ΔW of a layer moves what the model says on its own text by
 * tr(G ΔW A ΔWᵀ) / 2 in KL, A the moment of the layer's inputs and G that of the gradients at its outputs.
 */
import { wholeWindow } from "../eval/index.ts";
import { breathe, forwardBackward, type LinearSpec, type Weights } from "../models/index.ts";
import {
  add,
  addScalar,
  clamp,
  diagonal,
  disposeAll,
  divScalar,
  eigh,
  keep,
  matmul,
  mean,
  mul,
  noGrad,
  powScalar,
  requiresGrad,
  reshape,
  sqrt,
  t,
  tidy,
  toDType,
  unsqueeze,
  wholeMap,
  zeros,
  type Tensor,
} from "../torch/index.ts";
import { nll } from "./losses/index.ts";
import { trainedTokens, trainingBatch } from "./rows.ts";
import { addMoment_ } from "./select/subspace.ts";
import type { SelectInput } from "./select/index.ts";
import { leavesByPart } from "./writers/leaves.ts";

type Moments = Pick<SelectInput, "arch" | "weights" | "ordinary" | "signal" | "onProgress">;

const BATCH = 8;
/** Share of the mean of G's diagonal that is added to it: what own text hardly feels is not moved without bound. */
const DAMPING = 0.02;

/** P (out, out) float32 by layer: what a step on the layer's output is multiplied with, on either side of the optimiser. */
export type Preconditioners = ReadonlyMap<string, Tensor>;

/**
 * P = (G + δ·mean(diag G)·I)^-½ / its root mean square eigenvalue, G = E[g gᵀ] over the tokens of θ0's own samples, g the gradient of
 * their negative log-likelihood at the output of each layer: a step keeps its length on average. Limit: where every output is felt
 * alike P is the identity.
 */
export async function preconditioners(
  input: Moments,
  layers: readonly LinearSpec[],
): Promise<Preconditioners> {
  const moments = new Map(
    layers.map((l) => [l.name, tidy(() => keep(zeros([l.outFeatures, l.outFeatures])))]),
  );
  try {
    await addOutputMoments(input, layers, moments);
    return await wholeMap<string>(async (made) => {
      for (const { name } of layers) {
        const root = () => tidy(() => keep(inverseRoot(moments.get(name)!, DAMPING)));
        made.set(name, noGrad(root));
        await breathe(input.signal); // a second or two each, for wide layers
      }
    });
  } finally {
    disposeAll(moments);
  }
}

/** Adds Σ g gᵀ over the own samples' tokens to each layer's moment. */
export async function addOutputMoments(
  { arch, weights, ordinary, signal, onProgress }: Moments,
  layers: readonly LinearSpec[],
  moments: ReadonlyMap<string, Tensor>,
): Promise<void> {
  const texts = (await ordinary()).map(wholeWindow);
  const { dtype } = weights.get(arch.head);
  const parts = layers.map(({ name, block }) => ({ name, part: block }));
  for (let from = 0; from < texts.length; from += BATCH) {
    const part = texts.slice(from, from + BATCH);
    tidy(() => {
      const { batch, rows } = trainingBatch(
        part,
        part.map((w) => trainedTokens(w, "all")),
      );
      const shape = [part.length, batch.rows[0]!.length];
      const zero = (l: LinearSpec) => requiresGrad(zeros([...shape, l.outFeatures], { dtype }));
      const shifts = new Map(layers.map((l) => [l.name, zero(l)]));
      const trainable = {
        weights: shifted(weights, shifts),
        leavesOf: leavesByPart(parts, shifts),
        trainedHead: undefined,
      };
      const each = { ...rows, weights: rows.weights.map(() => 1) };
      forwardBackward(arch, trainable, batch, each, () => nll, {
        onGrad: (name, g) => noGrad(() => tidy(() => addMoment_(moments.get(name)!, flatRows(g)))),
      });
    });
    onProgress?.("outputs", Math.min(texts.length, from + BATCH), texts.length);
    await breathe(signal);
  }
}

const flatRows = (g: Tensor): Tensor => toDType(reshape(g, [-1, g.shape.at(-1)!]), "float32"); // (B T, out)

/** The same weights, with something added to what each of these layers gives. */
const shifted = (weights: Weights, shifts: ReadonlyMap<string, Tensor>): Weights => ({
  get: weights.get,
  linear(name, x) {
    const y = weights.linear(name, x);
    const shift = shifts.get(name);
    return shift === undefined ? y : add(y, shift);
  },
});

/** (A + δ·mean(diag A)·I)^-½ over the root mean square of its eigenvalues; A (d, d) symmetric, not negative; the identity for 0. */
export function inverseRoot(a: Tensor, damping: number): Tensor {
  const level = damping * mean(diagonal(a)).item();
  const [values, vectors] = eigh(a);
  const roots = powScalar(addScalar(clamp(values, { min: 0 }), level + 1e-30), -0.5);
  const even = divScalar(roots, sqrt(mean(mul(roots, roots))).item()); // (d)
  return matmul(mul(vectors, unsqueeze(even, 0)), t(vectors));
}
