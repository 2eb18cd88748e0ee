/**
 * @file The natural level (METHOD.md section 1c): what θ0 believes about a token when it sees only the last few tokens before
 * it, so without the memory's trigger. p_c = mean of its predictions from the last 4 and from the last 8 tokens.
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
import { temperatures } from "./temperature.ts";
import type { NaturalRow } from "./losses/index.ts";

export const CONTEXTS: readonly number[] = [4, 8];
/** π = p_c(y)^SHARPEN: a little below the natural level, since the hinge stops at it. */
export const SHARPEN = 1.2;
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

/** π and τ of each row, from the natural level and θ0's own logits (n rows at a time through `logits`). */
export function naturalRows(
  levels: readonly NaturalLevel[],
  reference: { logProbability: readonly number[]; logits: (from: number, count: number) => Tensor },
  targets: readonly number[],
): NaturalRow[] {
  const pis = levels.map((level, i) => {
    const natural = SHARPEN * level.logProbability;
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
