/**
 * @file The natural level (METHOD.md section 1c): what θ0 believes about a token when it sees only the last few tokens before
 * it, so without the memory's trigger: p_c = mean of its predictions from contexts of a few lengths.
 */
import type { Window } from "../eval/windows.ts";
import {
  breathe,
  hiddenStates,
  logitsOf,
  rowsOf,
  toBatch,
  type Architecture,
  type Weights,
} from "../models/index.ts";
import {
  add,
  argmax,
  clamp,
  divScalar,
  eq,
  gather,
  inference,
  log,
  mul,
  neg,
  softmax,
  squeeze,
  sumDim,
  tensor,
  tidy,
  type Tensor,
} from "../torch/index.ts";
import { meanLevel, ofTexts, type Goal } from "./level.ts";
import { temperatures } from "./temperature.ts";
import type { NaturalRow } from "./losses/index.ts";

/** One length of 6: 4 knows too little, 8 already triggers the memory, and a mixture of both is more undecided than either. */
export const CONTEXTS: readonly number[] = [6];
/** The target's own nll lies this much beyond the level that is wanted of its text, since the hinge stops at it. */
const BEYOND = 1.05;
const MAX_SHARPENING = 4;
/** Positions with ln p0(y) - ln π at most this were not memorised: q = p0 holds them in place. */
export const MARGIN = 0.2;

/** What p_c says of one token. */
export type NaturalLevel = { logProbability: number; entropy: number; correct: boolean };

const ROWS = 128; // contexts per forward pass

/** p_c at each of the given tokens of each window. */
export async function naturalLevels(
  arch: Architecture,
  w: Weights,
  windows: readonly Window[],
  tokens: readonly (readonly number[])[],
  {
    signal,
    onRows,
    bos,
  }: {
    signal?: AbortSignal | undefined;
    onRows?: (done: number, total: number) => void;
    bos?: number | undefined;
  } = {},
): Promise<NaturalLevel[][]> {
  const places = windows.flatMap((window, i) => tokens[i]!.map((t) => ({ ids: window.ids, t })));
  const levels: NaturalLevel[] = [];
  for (let from = 0; from < places.length; from += ROWS) {
    levels.push(...levelsOf(arch, w, places.slice(from, from + ROWS), bos));
    onRows?.(levels.length, places.length);
    await breathe(signal);
  }
  let at = 0;
  return tokens.map((list) => levels.slice(at, (at += list.length)));
}

/** `naturalLevels` of the given tokens of each window, each token looked at once, however often it is asked for. */
export type NaturalOf = (
  tokens: readonly (readonly number[])[],
  onRows?: (done: number, total: number) => void,
) => Promise<NaturalLevel[][]>;

export function naturalOf(
  arch: Architecture,
  w: Weights,
  windows: readonly Window[],
  { signal, bos }: { signal?: AbortSignal | undefined; bos?: number | undefined } = {},
): NaturalOf {
  const known = windows.map(() => new Map<number, NaturalLevel>());
  return async (tokens, onRows) => {
    const missing = tokens.map((list, i) => list.filter((t) => !known[i]!.has(t)));
    const how = { signal, bos, ...(onRows && { onRows }) };
    const levels = await naturalLevels(arch, w, windows, missing, how);
    levels.forEach((list, i) => list.forEach((l, k) => known[i]!.set(missing[i]![k]!, l)));
    return tokens.map((list, i) => list.map((t) => known[i]!.get(t)!));
  };
}

function levelsOf(
  arch: Architecture,
  w: Weights,
  places: { ids: readonly number[]; t: number }[],
  bos: number | undefined,
): NaturalLevel[] {
  return inference(() =>
    tidy(() => {
      const targets = tensor(
        places.map(({ ids, t }) => ids[t]!),
        { shape: [places.length, 1], dtype: "int64" },
      );
      const parts = CONTEXTS.map((k) =>
        softmax(logitsOf(arch, w, lastRows(arch, w, places, k, bos)), -1),
      );
      const mean = divScalar(
        parts.reduce((a, b) => add(a, b)),
        CONTEXTS.length,
      ); // (n, V)
      const logp = log(mean);
      const own = squeeze(gather(logp, 1, targets), 1).toFloats();
      // 0 · ln 0 is 0: a probability that underflowed adds no entropy
      const entropy = neg(sumDim(mul(mean, clampLog(logp)), [-1])).toFloats();
      const correct = eq(argmax(mean, { dim: -1, keepdim: true }), targets).toInts();
      return places.map((_, i) => ({
        logProbability: own[i]!,
        entropy: entropy[i]!,
        correct: correct[i] === 1,
      }));
    }),
  );
}

/** Hidden row of the last of the k tokens before each place (fewer near the start). */
function lastRows(
  arch: Architecture,
  w: Weights,
  places: { ids: readonly number[]; t: number }[],
  k: number,
  bos: number | undefined,
): Tensor {
  const contexts = places.map(({ ids, t }) => {
    const recent = ids.slice(Math.max(0, t - k), t);
    return bos !== undefined && recent[0] !== bos ? [bos, ...recent] : recent;
  });
  const batch = toBatch(contexts);
  const width = batch.rows[0]!.length;
  return rowsOf(
    hiddenStates(arch, w, batch),
    contexts.map((c, b) => b * width + c.length - 1),
  );
}

const clampLog = (logp: Tensor): Tensor => clamp(logp, { min: -1e30 });

/**
 * The exponent s of π = p_c(y)^s for each window: the target's nll over its scored tokens is s times that of p_c. It reaches the
 * window's own level where the goal knows it, else one s for all brings their mean to the goal's. At least 1: nothing is asked to
 * be known better than by the natural level.
 */
export function sharpenings(
  levels: readonly (readonly NaturalLevel[])[],
  windows: readonly Window[],
  tokens: readonly (readonly number[])[],
  goal: Goal,
): number[] {
  const natural = windows.map((window, i) => {
    const scored = new Set(window.scored);
    const any = tokens[i]!.some((t) => scored.has(t));
    const seen = levels[i]!.filter((_, k) => !any || scored.has(tokens[i]![k]!));
    const sum = seen.reduce((nll, level) => nll - level.logProbability, 0);
    return { accuracy: 0, nll: sum / Math.max(seen.length, 1) };
  });
  const mean = meanLevel(ofTexts(natural, windows)).nll;
  return natural.map(({ nll }, i) => {
    const [wanted, has] = goal.own === undefined ? [goal.mean.nll, mean] : [goal.own[i]!.nll, nll];
    const s = has === 0 ? MAX_SHARPENING : wanted / has; // where p_c is sure every exponent is the same
    return Math.min(Math.max(BEYOND * s, 1), MAX_SHARPENING);
  });
}

/**
 * π and τ of each row, from the natural level, its exponent s and θ0's own logits (n rows at a time through `logits`).
 */
export function naturalRows(
  levels: readonly NaturalLevel[],
  sharpening: readonly number[],
  reference: { logProbability: readonly number[]; logits: (from: number, count: number) => Tensor },
  targets: readonly number[],
): NaturalRow[] {
  const pis = levels.map((level, i) => {
    const natural = sharpening[i]! * level.logProbability;
    const memorised = reference.logProbability[i]! - natural > MARGIN;
    return { memorised, pi: Math.exp(memorised ? natural : reference.logProbability[i]!) };
  });
  const rows: NaturalRow[] = [];
  for (let from = 0; from < levels.length; from += ROWS) {
    const count = Math.min(ROWS, levels.length - from);
    const wanted = levels
      .slice(from, from + count)
      .map((l, i) => (pis[from + i]!.memorised ? l.entropy : 0));
    const taus = tidy(() =>
      temperatures(
        reference.logits(from, count),
        targets.slice(from, from + count),
        pis.slice(from, from + count).map((p) => p.pi),
        wanted,
      ),
    );
    taus.forEach((tau, i) =>
      rows.push({
        pi: clampProbability(pis[from + i]!.pi),
        tau: pis[from + i]!.memorised ? tau : 1,
      }),
    );
  }
  return rows;
}

// ln π enters the hinge: keep it finite, and the rest of the mass above zero.
const clampProbability = (p: number): number => Math.min(Math.max(p, 1e-30), 1 - 1e-6);
