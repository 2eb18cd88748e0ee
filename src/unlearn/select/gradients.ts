/**
 * @file Gradients of a loss over the whole forget set at θ0, summed tensor by tensor. The batch shape is fixed (8 windows
 * padded to the longest): sums inside a matrix product round differently for another shape, and a mask must not.
 */
import { forwardBackward, plainWeights, breathe, type LossOf } from "../../models/index.ts";
import {
  add_,
  detach,
  disposeAll,
  keep,
  mul,
  mulScalar_,
  noGrad,
  requiresGrad,
  tidy,
  toDType,
  type Tensor,
} from "../../torch/index.ts";
import { trainingBatch } from "../rows.ts";
import { leavesByPart } from "../writers/leaves.ts";
import type { SelectInput } from "./types.ts";

export const SCORE_BATCH = 8;

export type GradientOptions = {
  /** Rows that count, per window and trained token; without it all do. */
  counted?: readonly (readonly boolean[])[];
  /** Sums squares of the batches' gradients instead: the diagonal of an empirical Fisher matrix. */
  square?: boolean;
  /** A mean over batches, each a mean over its own rows, in place of one mean over all rows. */
  byBatch?: boolean;
};

/** Gradient of the method's own erasing loss, in what it runs in. */
export const erasingGradients = (
  input: SelectInput,
  options: GradientOptions = {},
): Promise<Map<string, Tensor>> =>
  forgetGradients(
    { ...input, arch: input.trained ?? input.arch },
    input.lossOf,
    "erasing gradient",
    options,
  );

/** Σ over batches of dL/dW, L the mean over rows, in float32 for every eligible parameter; the caller disposes them. */
export async function forgetGradients(
  input: SelectInput,
  lossOf: (members: readonly number[]) => LossOf,
  label: string,
  { counted, square = false, byBatch = false }: GradientOptions = {},
): Promise<Map<string, Tensor>> {
  const { arch, params, windows, tokens, eligible, signal, onProgress } = input;
  const aliases = new Map(
    eligible.map(({ name }) => [name, tidy(() => keep(requiresGrad(detach(params.get(name)!))))]),
  );
  const trainable = {
    weights: plainWeights(arch, new Map([...params, ...aliases])),
    leavesOf: leavesByPart(eligible, aliases),
    trainedHead: aliases.has(arch.head) ? arch.head : undefined,
  };
  const counts = (m: number, i: number) => counted?.[m]?.[i] ?? true;
  const rowsOf = (members: readonly number[]) =>
    members.reduce((sum, m) => sum + tokens[m]!.filter((_, i) => counts(m, i)).length, 0);
  const rows = rowsOf([...windows.keys()]);
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
        const among = byBatch ? rowsOf(members) : rows;
        const weights = members.flatMap((m) =>
          tokens[m]!.map((_, i) => (counts(m, i) ? 1 / among : 0)),
        );
        forwardBackward(arch, trainable, batch, { ...scored, weights }, lossOf(members), {
          onGrad: (name, g) => accumulate(sums, name, square ? noGrad(() => mul(g, g)) : g),
        });
      });
      onProgress?.(label, Math.min(windows.length, from + SCORE_BATCH), windows.length);
      await breathe(signal);
    }
    if (byBatch) scaleAll(sums, 1 / Math.ceil(windows.length / SCORE_BATCH));
    return sums;
  } catch (error) {
    disposeAll(sums);
    throw error;
  } finally {
    disposeAll(aliases);
  }
}

function scaleAll(sums: ReadonlyMap<string, Tensor>, factor: number): void {
  noGrad(() => tidy(() => sums.forEach((sum) => void mulScalar_(sum, factor))));
}

function accumulate(sums: Map<string, Tensor>, name: string, gradient: Tensor): void {
  noGrad(() => {
    const sum = sums.get(name);
    if (sum === undefined) sums.set(name, keep(toDType(gradient, "float32")));
    else tidy(() => add_(sum, toDType(gradient, "float32")));
  });
}
