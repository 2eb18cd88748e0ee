/**
 * @file A retain term beside the erasing loss: the likelihood of retain texts, or KL(θ0‖θ) on them. As many windows as a step
 * erases join its batch; L = L_erase + α L_retain, each a mean over its own rows (GradDiff, Liu et al. 2022; KL, Maini et al. 2024).
 */
import { shuffled } from "../base/random.ts";
import type { Window } from "../eval/index.ts";
import type { Architecture, LossOf, Weights } from "../models/index.ts";
import { cat, narrow } from "../torch/index.ts";
import { kl } from "./losses/kl.ts";
import { nll } from "./losses/index.ts";
import { makeReference } from "./reference.ts";
import { trainedTokens, trainingBatch, type TrainingBatch } from "./rows.ts";

export const RETAIN_TERMS = ["none", "nll", "kl"] as const;
export type RetainTerm = (typeof RETAIN_TERMS)[number];

export type Joining = {
  readonly windows: readonly Window[];
  readonly tokens: readonly (readonly number[])[];
  readonly lossOf: LossOf;
};

export type Retain = {
  /** α. */
  readonly weight: number;
  /** The windows that join a step: the same for the same step, so that a resumed run sees them again. */
  readonly draw: (step: number, count: number) => Joining;
  readonly dispose: () => void;
};

export async function makeRetain(
  arch: Architecture,
  weights: Weights,
  windows: readonly Window[],
  {
    term,
    alpha,
    seed,
    signal,
  }: { term: "nll" | "kl"; alpha: number; seed: number; signal?: AbortSignal | undefined },
): Promise<Retain> {
  const tokens = windows.map((w) => trainedTokens(w, "all"));
  const order = shuffled(`retain ${seed}`, [...windows.keys()]);
  const reference =
    term === "kl"
      ? await makeReference(arch, weights, windows, tokens, { natural: false, signal })
      : undefined;
  return {
    weight: alpha,
    draw(step, count) {
      const chosen = Array.from(
        { length: count },
        (_, i) => order[(step * count + i) % order.length]!,
      );
      const loss = reference === undefined ? nll : kl(reference.rowsOf(chosen));
      return {
        windows: chosen.map((i) => windows[i]!),
        tokens: chosen.map((i) => tokens[i]!),
        lossOf: () => loss,
      };
    },
    dispose: () => reference?.dispose(),
  };
}

/** A batch of windows to erase, with those that join it behind them; `own` counts the rows that erase. */
export function joinedBatch(
  windows: readonly Window[],
  tokens: readonly (readonly number[])[],
  joining: Joining | undefined,
  weight = 0,
): { training: TrainingBatch; own: number } {
  const own = tokens.reduce((sum, list) => sum + list.length, 0);
  const training = trainingBatch(
    [...windows, ...(joining?.windows ?? [])],
    [...tokens, ...(joining?.tokens ?? [])],
  );
  const others = training.rows.targets.length - own;
  const weights = training.rows.targets.map((_, i) => (i < own ? 1 / own : weight / others));
  return { training: { ...training, rows: { ...training.rows, weights } }, own };
}

/** One loss for the first `own` rows, another for those behind them; a chunk may hold rows of both. */
export const joinedLoss =
  (erasing: LossOf, own: number, retaining: LossOf): LossOf =>
  (rows) => {
    const first = erasing(narrow(rows, 0, 0, own));
    const second = retaining(narrow(rows, 0, own, rows.shape[0]! - own));
    return (logits, { from, count, targets }) => {
      const split = Math.min(Math.max(own - from, 0), count);
      if (split === count) return first(logits, { from, count, targets });
      if (split === 0) return second(logits, { from: from - own, count, targets });
      const part = (at: number, length: number, start: number) =>
        [
          narrow(logits, 0, at, length),
          { from: start, count: length, targets: narrow(targets, 0, at, length) },
        ] as const;
      const a = first(...part(0, split, from));
      const b = second(...part(split, count - split, 0));
      return { loss: cat([a.loss, b.loss]), gradLogits: cat([a.gradLogits, b.gradLogits]) };
    };
  };
