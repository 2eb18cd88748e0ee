/**
 * @file One training pass, part by part: each block is its own small graph between a leaf and an output, and the
 * backward pass walks them from the last to the first. So a block's graph is freed as soon as it is used, gradients can
 * be consumed one tensor at a time, and recomputing a block instead of keeping its graph is a flag.
 */
import {
  add_,
  detach,
  grad,
  indexCopy_,
  indexSelect,
  noGrad,
  requiresGrad,
  reshape,
  tensor,
  tidy,
  zeros,
  type Tensor,
} from "../torch/index.ts";
import { headPass, type LossOf } from "./head.ts";
import type { Architecture, Batch, Context, Weights } from "./types.ts";

export type Part = "embed" | "final" | number;
export type Leaf = { readonly name: string; readonly tensor: Tensor };

/** Weights of which some are being trained: leaves per part, and whether the output matrix is one of them. */
export type Trainable = {
  readonly weights: Weights;
  readonly leavesOf: (part: Part) => readonly Leaf[];
  /** Name of the head's leaf when it is trained; a tied head's gradient is added to the embedding's. */
  readonly trainedHead: string | undefined;
};

/** Rows that carry loss: flat index b·T + t of the position that predicts `targets[i]`, and the weight of its loss. */
export type ScoredRows = {
  readonly index: readonly number[];
  readonly targets: readonly number[];
  readonly weights: readonly number[];
};

type Options = {
  /** Called once per leaf with its gradient, freed behind the call unless it keeps it. */
  onGrad: (name: string, gradient: Tensor) => void;
  /** Runs each block twice instead of keeping its graph: a third more time, a fraction of the memory. */
  recompute?: boolean;
};

type Step = { input: Tensor; output: Tensor | undefined };

/** Forward and backward of Σ weight · loss over the scored rows; returns the unweighted loss of each row. */
export function forwardBackward(
  arch: Architecture,
  trainable: Trainable,
  batch: Batch,
  rows: ScoredRows,
  lossOf: LossOf,
  { onGrad, recompute = false }: Options,
): Float64Array {
  const { weights: w, leavesOf, trainedHead } = trainable;
  return tidy(() => {
    const context = noGrad(() => arch.context(batch, w.get(arch.head).dtype));
    const embedLeaves = leavesOf("embed").filter((l) => arch.parts.embed.includes(l.name));
    const below = embedLeaves.length > 0 ? undefined : w.stem?.hidden(batch);
    const embedded =
      below ??
      (embedLeaves.length > 0
        ? tidy(() => arch.embed(w, batch, context))
        : noGrad(() => tidy(() => arch.embed(w, batch, context))));
    const first = embedLeaves.length > 0 ? 0 : firstTrained(arch, leavesOf);
    const from = below === undefined ? 0 : w.stem!.block;
    const { steps, last } = forwardBlocks(arch, w, context, embedded, { from, first, recompute });

    const input = requiresGrad(detach(last));
    const hidden = tidy(() => arch.final(w, input, context)); // (B, T, D)
    const head = scoreRows(arch, w, detach(hidden), rows, lossOf, trainedHead !== undefined);
    const tied = trainedHead !== undefined && arch.parts.embed.includes(trainedHead);
    if (head.gradHead !== undefined && !tied) onGrad(trainedHead!, head.gradHead);

    const finalLeaves = leavesOf("final").filter((l) => l.name !== arch.head);
    const g = grad([hidden], [input, ...finalLeaves.map((l) => l.tensor)], {
      gradOutputs: [head.gradHidden],
    });
    finalLeaves.forEach((l, i) => give(onGrad, l.name, g[i + 1]));
    let flowing = g[0]!; // gradient with respect to a block's output
    for (let i = arch.layers - 1; i >= first; i--) {
      const before = flowing;
      flowing = tidy(() =>
        backwardBlock(arch, w, context, i, steps.get(i)!, leavesOf(i), before, onGrad),
      );
      before.dispose();
    }
    if (embedLeaves.length > 0) {
      const grads = grad(
        [embedded],
        embedLeaves.map((l) => l.tensor),
        { gradOutputs: [flowing] },
      );
      embedLeaves.forEach((l, i) => {
        const own = grads[i];
        if (own !== null && own !== undefined && tied && l.name === trainedHead) {
          add_(own, head.gradHead!);
        }
        give(onGrad, l.name, own);
      });
    }
    return head.losses;
  });
}

function firstTrained(arch: Architecture, leavesOf: Trainable["leavesOf"]): number {
  for (let i = 0; i < arch.layers; i++) if (leavesOf(i).length > 0) return i;
  return arch.layers;
}

function forwardBlocks(
  arch: Architecture,
  w: Weights,
  context: Context,
  embedded: Tensor,
  { from, first, recompute }: { from: number; first: number; recompute: boolean },
): { steps: ReadonlyMap<number, Step>; last: Tensor } {
  const steps = new Map<number, Step>();
  let x = embedded;
  for (let i = from; i < arch.layers; i++) {
    const before = x;
    if (i < first) {
      x = noGrad(() => tidy(() => arch.block(w, i, before, context)));
      if (before !== embedded) before.dispose();
    } else {
      const input = requiresGrad(detach(before));
      const output = recompute
        ? noGrad(() => tidy(() => arch.block(w, i, input, context)))
        : tidy(() => arch.block(w, i, input, context));
      steps.set(i, { input, output: recompute ? undefined : output });
      if (before !== embedded) before.dispose();
      x = recompute ? output : detach(output);
    }
  }
  return { steps, last: x };
}

function backwardBlock(
  arch: Architecture,
  w: Weights,
  context: Context,
  i: number,
  step: Step,
  leaves: readonly Leaf[],
  flowing: Tensor,
  onGrad: Options["onGrad"],
): Tensor {
  const output = step.output ?? tidy(() => arch.block(w, i, step.input, context));
  const grads = grad([output], [step.input, ...leaves.map((l) => l.tensor)], {
    gradOutputs: [flowing],
  });
  output.dispose();
  step.input.dispose();
  leaves.forEach((l, k) => {
    give(onGrad, l.name, grads[k + 1]);
    if (grads[k + 1]?.kept === false) grads[k + 1]!.dispose();
  });
  return grads[0]!;
}

function give(onGrad: Options["onGrad"], name: string, gradient: Tensor | null | undefined): void {
  if (gradient === null || gradient === undefined) {
    throw new Error(`backward: expected ${name} to take part in the pass, got no gradient`);
  }
  onGrad(name, gradient);
}

function scoreRows(
  arch: Architecture,
  w: Weights,
  hidden: Tensor,
  rows: ScoredRows,
  lossOf: LossOf,
  trainHead: boolean,
): { losses: Float64Array; gradHidden: Tensor; gradHead: Tensor | undefined } {
  return noGrad(() =>
    tidy(() => {
      const [batch, tokens, width] = hidden.shape as [number, number, number];
      const index = tensor(rows.index, { dtype: "int64" });
      const scored = indexSelect(reshape(hidden, [batch * tokens, width]), 0, index); // (N, D)
      const { losses, gradRows, gradHead } = headPass(
        scored,
        w.get(arch.head),
        rows.targets,
        rows.weights,
        lossOf(scored),
        { trainHead },
      );
      const flat = zeros([batch * tokens, width], { dtype: hidden.dtype });
      const gradHidden = reshape(indexCopy_(flat, 0, index, gradRows), hidden.shape);
      return { losses, gradHidden, gradHead };
    }),
  );
}
