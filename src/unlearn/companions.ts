/**
 * @file Text that joins every step. Retain text holds the model: L = L_erase + α L_retain, each a mean over its own rows, L_retain
 * the likelihood (GradDiff, Liu et al. 2022), KL(θ0‖θ) (Maini et al. 2024) or ‖h - h0‖² (RMU). Alternative texts are preferred over those to forget.
 */
import { shuffled } from "../base/random.ts";
import type { Window } from "../eval/index.ts";
import type { Architecture, LogitLoss, LossOf, Weights } from "../models/index.ts";
import { cat, narrow, type Tensor } from "../torch/index.ts";
import { dpo } from "./losses/dpo.ts";
import { kl } from "./losses/kl.ts";
import { nll } from "./losses/index.ts";
import { anchored } from "./losses/rmu.ts";
import { makeLogitReference, makeReference } from "./reference.ts";
import { trainedTokens, trainingBatch, type TrainingBatch } from "./rows.ts";

/** Nothing · likelihood of retain text · KL(θ0‖θ) on retain text · hidden states held there (RMU) · preference of alternative texts. */
export type CompanionName = "none" | "nll" | "kl" | "anchor" | "dpo";

/** What a batch holds: the loss of the windows to erase, their rows (the first `own`), and all rows. */
export type Batched = {
  readonly erasing: LossOf;
  readonly own: number;
  readonly targets: readonly number[];
  readonly sequence: readonly number[];
};

/** Windows that join a step, and the loss of the whole batch. */
export type Joining = {
  readonly windows: readonly Window[];
  readonly tokens: readonly (readonly number[])[];
  readonly lossOf: (batch: Batched) => LossOf;
};

/** The mean must stay below `bound`; `rate` is how fast λ follows (constraint.ts). */
export type Bound = { readonly bound: number; readonly rate: number };

export type Companions = {
  /**
   * α: what joins is a term of its own, a mean over its own rows · a bound on that mean: its weight λ is the loop's · pairs: all
   * rows count alike, in one loss.
   */
  readonly weight: number | Bound | "pairs";
  /** The windows that join a step; `shown`: how many were trained before it, so that a resumed run goes on where it was. */
  readonly draw: (shown: number, members: readonly number[]) => Joining;
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
  }: {
    term: "nll" | "kl" | "anchor";
    alpha: number;
    seed: number;
    signal?: AbortSignal | undefined;
  },
): Promise<Companions> {
  const tokens = windows.map((w) => trainedTokens(w, "all"));
  const reference =
    term === "nll"
      ? undefined
      : await makeLogitReference(arch, weights, windows, tokens, { signal });
  const held = term === "kl" ? kl : anchored;
  return {
    weight: alpha,
    draw: drawn(windows, tokens, seed, (chosen) =>
      reference === undefined ? nll : held(reference.rowsOf(chosen)),
    ),
    dispose: () => reference?.dispose(),
  };
}

/** As many windows as there are to erase, in a seeded order that every step goes on with. */
export function drawn(
  windows: readonly Window[],
  tokens: readonly (readonly number[])[],
  seed: number,
  lossFor: (chosen: readonly number[]) => LogitLoss,
): Companions["draw"] {
  const order = shuffled(`retain ${seed}`, [...windows.keys()]);
  return (shown, { length: count }) => {
    const chosen = Array.from({ length: count }, (_, i) => order[(shown + i) % order.length]!);
    const loss = lossFor(chosen);
    return {
      windows: chosen.map((i) => windows[i]!),
      tokens: chosen.map((i) => tokens[i]!),
      lossOf: ({ erasing, own }) => joinedLoss(erasing, own, () => loss),
    };
  };
}

/** What should be said instead: one window for each window to erase (Rafailov et al. 2023). */
export async function makeAlternatives(
  arch: Architecture,
  weights: Weights,
  own: readonly Window[],
  instead: readonly Window[],
  {
    tokens,
    head,
    beta,
    signal,
  }: {
    tokens: readonly (readonly number[])[];
    /** The head of the model being trained. */
    head: () => Tensor;
    beta: number;
    signal?: AbortSignal | undefined;
  },
): Promise<Companions> {
  const altTokens = instead.map((w) => trainedTokens(w, "suffix"));
  const all = [...own, ...instead];
  const reference = await makeReference(arch, weights, all, [...tokens, ...altTokens], {
    natural: undefined,
    signal,
  });
  return {
    weight: "pairs",
    draw: (_, members) => ({
      windows: members.map((m) => instead[m]!),
      tokens: members.map((m) => altTokens[m]!),
      lossOf: ({ targets, sequence }) => {
        const rows = reference.rowsOf([...members, ...members.map((m) => own.length + m)]);
        const { logProbability } = rows;
        return dpo({ head: head(), targets, sequence, logProbability }, { beta });
      },
    }),
    dispose: () => reference.dispose(),
  };
}

/** A batch of windows to erase, with those that join it behind them; `own` counts the rows that erase. */
export function joinedBatch(
  windows: readonly Window[],
  tokens: readonly (readonly number[])[],
  joining: Pick<Joining, "windows" | "tokens"> | undefined,
  weight: number | "pairs" = 0,
): { training: TrainingBatch; own: number } {
  const own = tokens.reduce((sum, list) => sum + list.length, 0);
  const training = trainingBatch(
    [...windows, ...(joining?.windows ?? [])],
    [...tokens, ...(joining?.tokens ?? [])],
  );
  if (weight === "pairs") return { training, own };
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
