/**
 * @file Gradients of a loss over the whole forget set at θ0, summed tensor by tensor. The batch shape is fixed (8 windows
 * padded to the longest): sums inside a matrix product round differently for another shape, and a mask must not.
 */
import {
  forwardBackward,
  plainWeights,
  breathe,
  type Leaf,
  type LossOf,
  type Part,
} from "../../models/index.ts";
import {
  add_,
  detach,
  disposeAll,
  keep,
  noGrad,
  requiresGrad,
  tidy,
  toDType,
  type Tensor,
} from "../../torch/index.ts";
import { trainingBatch } from "../rows.ts";
import type { SelectInput } from "./types.ts";

export const SCORE_BATCH = 8;

/** Σ over batches of dL/dW in float32 for every eligible parameter; the caller disposes them. */
export async function forgetGradients(
  input: SelectInput,
  lossOf: (members: readonly number[]) => LossOf,
  label: string,
): Promise<Map<string, Tensor>> {
  const { arch, params, windows, tokens, eligible, signal, onProgress } = input;
  const aliases = new Map(
    eligible.map(({ name }) => [name, tidy(() => keep(requiresGrad(detach(params.get(name)!))))]),
  );
  const leaves = new Map<Part, Leaf[]>();
  for (const { name, part } of eligible) {
    leaves.set(part, [...(leaves.get(part) ?? []), { name, tensor: aliases.get(name)! }]);
  }
  const trainable = {
    weights: plainWeights(arch, new Map([...params, ...aliases])),
    leavesOf: (part: Part) => leaves.get(part) ?? [],
    trainedHead: aliases.has(arch.head) ? arch.head : undefined,
  };
  const rows = tokens.reduce((sum, list) => sum + list.length, 0);
  const width = Math.max(...windows.map((w) => w.ids.length));
  const sums = new Map<string, Tensor>();
  try {
    for (let from = 0; from < windows.length; from += SCORE_BATCH) {
      const members = windows.map((_, i) => i).slice(from, from + SCORE_BATCH);
      tidy(() => {
        const { batch, rows: scored } = trainingBatch(
          members.map((m) => windows[m]!),
          members.map((m) => tokens[m]!),
          { width },
        );
        const weighted = { ...scored, weights: scored.targets.map(() => 1 / rows) };
        forwardBackward(arch, trainable, batch, weighted, lossOf(members), {
          onGrad: (name, g) => accumulate(sums, name, g),
        });
      });
      onProgress?.(label, Math.min(windows.length, from + SCORE_BATCH), windows.length);
      await breathe(signal);
    }
    return sums;
  } catch (error) {
    disposeAll(sums);
    throw error;
  } finally {
    disposeAll(aliases);
  }
}

function accumulate(sums: Map<string, Tensor>, name: string, gradient: Tensor): void {
  noGrad(() => {
    const sum = sums.get(name);
    if (sum === undefined) sums.set(name, keep(toDType(gradient, "float32")));
    else tidy(() => add_(sum, toDType(gradient, "float32")));
  });
}
