/** @file Which positions of a window carry the erasing loss, and how windows become a batch of scored rows. */
import type { Window } from "../eval/windows.ts";
import { toBatch, type Batch, type ScoredRows } from "../models/index.ts";

export const POSITIONS = ["all", "suffix", "span"] as const;
/** all: every next-token position · suffix: those behind the prefix · span: those in the text's spans. */
export type Positions = (typeof POSITIONS)[number];

/** Indices of the tokens of a window whose prediction is trained. */
export function trainedTokens(window: Window, positions: Positions): readonly number[] {
  if (positions === "span") return window.scored;
  const from = positions === "suffix" ? window.suffixStart : 1;
  return Array.from({ length: window.ids.length - from }, (_, i) => from + i);
}

export type TrainingBatch = { batch: Batch; rows: ScoredRows; sequence: number[] };

/** A batch of windows, padded on the right to `width`, whose trained rows share the loss equally. */
export function trainingBatch(
  windows: readonly Window[],
  tokens: readonly (readonly number[])[],
  { width }: { width?: number } = {},
): TrainingBatch {
  const batch = toBatch(
    windows.map((w) => w.ids),
    width === undefined ? {} : { width },
  );
  const length = batch.rows[0]!.length;
  const index: number[] = [];
  const targets: number[] = [];
  const sequence: number[] = [];
  windows.forEach((w, b) => {
    for (const t of tokens[b]!) {
      index.push(b * length + t - 1);
      targets.push(w.ids[t]!);
      sequence.push(b);
    }
  });
  return {
    batch,
    rows: { index, targets, weights: targets.map(() => 1 / targets.length) },
    sequence,
  };
}
