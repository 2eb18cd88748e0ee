/**
 * @file Steps from forward passes alone (SubZero; Yu et al. 2024, "SubZero: Random Subspace Zeroth-Order Optimization for
 * Memory-Efficient LLM Fine-Tuning", arXiv 2410.08989): no graph, no gradient, no moments.
 */
import { randomIntegers } from "../base/random.ts";
import {
  forEachChunk,
  hiddenStates,
  matrixHead,
  rowsOf,
  type Architecture,
  type LossOf,
} from "../models/index.ts";
import {
  add_,
  disposeAll,
  inference,
  keep,
  manualSeed,
  matmul,
  mulScalar_,
  noGrad,
  qr,
  randn,
  t,
  tidy,
  type Tensor,
} from "../torch/index.ts";
import type { TrainingBatch } from "./rows.ts";
import type { Stepper } from "./step.ts";
import type { Writer } from "./writers/types.ts";

/** r: a matrix is moved in r of its directions on either side; F: steps until they are drawn anew; ε: length of the difference. */
export const SUBSPACE = { rank: 24, every: 100, epsilon: 1e-3 };

type Frame = { readonly left: Tensor; readonly right: Tensor }; // U (m, r), V (n, r), orthonormal columns

/**
 * θ <- θ - lr ρ δ, ρ = (L(θ + εδ) - L(θ - εδ)) / 2ε; δ = U Z Vᵀ for a matrix, Z (r, r) Gaussian, and Gaussian for a vector. In the mean
 * over δ the step is lr times the gradient within the subspace, whose variance r² sets, not m n. Limit: r = m = n is plain ZO-SGD.
 * U, V come from the seed and the number of the frame, Z from that of the step: nothing is kept but the variables.
 */
export function subspaceSteps(
  arch: Architecture,
  writer: Writer,
  {
    seed,
    rank = SUBSPACE.rank,
    every = SUBSPACE.every,
  }: { seed: number; rank?: number; every?: number },
): { step: Stepper; dispose: () => void } {
  let held: { frame: number; bases: Map<string, Frame> } | undefined;
  const basesAt = (frame: number) => {
    if (held?.frame === frame) return held.bases;
    disposeAll(held?.bases);
    held = { frame, bases: framesOf(writer, rank, `${seed} ${frame}`) };
    return held.bases;
  };
  const step: Stepper = (training, lossOf, { lr, step }) => {
    const bases = basesAt(Math.floor(step / every));
    const move = (by: number) => perturb(writer, bases, `${seed} ${step}`, by);
    const { epsilon } = SUBSPACE;
    move(epsilon);
    const above = lossesAt(arch, writer, training, lossOf);
    move(-2 * epsilon);
    const below = lossesAt(arch, writer, training, lossOf);
    const weighted = (of: (i: number) => number) =>
      training.rows.weights.reduce((sum, weight, i) => sum + weight * of(i), 0);
    const slope = weighted((i) => above[i]! - below[i]!) / (2 * epsilon);
    move(epsilon - lr * slope); // back to θ, and the step
    const perRow = above.map((l, i) => (l + below[i]!) / 2);
    return { loss: weighted((i) => perRow[i]!), slope: Math.abs(slope), perRow };
  };
  return { step, dispose: () => disposeAll(held?.bases) };
}

/** Draws depend on the name alone. */
const seeded = (name: string): void =>
  manualSeed(randomIntegers(`subzero ${name}`, 2 ** 31, 1)[0]!);

function framesOf(writer: Writer, rank: number, name: string): Map<string, Frame> {
  const orthonormal = (rows: number, columns: number) => keep(qr(randn([rows, columns]))[0]);
  const matrices = [...writer.variables].filter(([, v]) => v.shape.length === 2);
  return noGrad(
    () =>
      new Map(
        matrices.map(([key, { shape }]) => {
          const [m, n] = shape as [number, number];
          const r = Math.min(rank, m, n);
          seeded(`${name} ${key}`);
          return [key, tidy(() => ({ left: orthonormal(m, r), right: orthonormal(n, r) }))];
        }),
      ),
  );
}

/** Adds `by` δ to every variable; δ is drawn again each time. */
function perturb(
  writer: Writer,
  bases: ReadonlyMap<string, Frame>,
  name: string,
  by: number,
): void {
  noGrad(() => {
    for (const [key, variable] of writer.variables) {
      seeded(`${name} ${key} δ`);
      tidy(() => {
        add_(variable, mulScalar_(direction(variable, bases.get(key)), by));
      });
    }
  });
  writer.publish();
}

function direction({ shape }: Tensor, frame: Frame | undefined): Tensor {
  if (frame === undefined) return randn([...shape]);
  const { left, right } = frame;
  const rank = left.shape[1]!;
  return matmul(matmul(left, randn([rank, rank])), t(right)); // (m, n)
}

/** The loss of each row of a batch, as inference does it: chunks of logits, nothing kept. */
function lossesAt(
  arch: Architecture,
  writer: Writer,
  { batch, rows }: TrainingBatch,
  lossOf: LossOf,
): Float64Array {
  const w = writer.trainable.weights;
  const losses = new Float64Array(rows.targets.length);
  inference(() =>
    tidy(() => {
      const scored = rowsOf(hiddenStates(arch, w, batch), rows.index); // (N, D)
      const loss = lossOf(scored);
      forEachChunk(scored, matrixHead(w.get(arch.head)), rows.targets, (logits, chunk) =>
        losses.set(loss(logits, chunk).loss.toFloats(), chunk.from),
      );
    }),
  );
  return losses;
}
