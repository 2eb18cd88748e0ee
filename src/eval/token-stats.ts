/** @file One teacher-forced pass over windows: what the model thought of every scored token. All metrics read this. */
import {
  breathe,
  forEachChunk,
  headOf,
  hiddenStates,
  rowsOf,
  toBatch,
  type Architecture,
  type Weights,
} from "../models/index.ts";
import {
  argmax,
  eq,
  exp,
  gather,
  gt,
  inference,
  logSoftmax,
  mul,
  neg,
  squeeze,
  sumDim,
  tidy,
} from "../torch/index.ts";
import type { Window } from "./windows.ts";

/** Per scored token of one window, in order. Natural logarithms. */
export type TokenStats = {
  readonly logProbability: Float64Array;
  readonly correct: Uint8Array; // 1 where the argmax is the token
  readonly entropy: Float64Array; // nats
  readonly rank: Float64Array; // tokens likelier than this one; 0 is the top
};

export type ScoreOptions = {
  /** Rows per forward pass. */
  batchSize?: number;
  /** Entropy and rank need two more passes over the logits: leave them out where no metric asks. */
  spread?: boolean;
  signal?: AbortSignal | undefined;
  onBatch?: ((done: number) => void) | undefined;
};

/** Statistics of each window, in the order given; what several windows read is read once. */
export async function tokenStats(
  arch: Architecture,
  w: Weights,
  windows: readonly Window[],
  { batchSize = 16, spread = true, signal, onBatch }: ScoreOptions = {},
): Promise<TokenStats[]> {
  const result = new Array<TokenStats>(windows.length);
  const readings = readingsOf(windows);
  let done = 0;
  for (const members of batchesOf(
    readings.map(({ ids }) => ids.length),
    batchSize,
  )) {
    const batch = members.map((i) => readings[i]!);
    const stats = scoreBatch(arch, w, batch, spread);
    const indices = batch.flatMap(({ of }) => of.map(({ index }) => index));
    indices.forEach((i, k) => (result[i] = stats[k]!));
    onBatch?.((done += indices.length));
    await breathe(signal);
  }
  return result;
}

/** What is read, and the windows that are scored in it. */
type Reading = {
  readonly ids: readonly number[];
  readonly of: { readonly index: number; readonly window: Window }[];
};

/** A window's last scored token is predicted, not read: answers of one token behind one context are one reading. */
export function readingsOf(windows: readonly Window[]): Reading[] {
  const readings = new Map<string, Reading>();
  windows.forEach((window, index) => {
    const ids = window.ids.slice(0, window.scored.at(-1) ?? window.ids.length);
    const key = ids.join(" ");
    const reading = readings.get(key) ?? { ids, of: [] };
    reading.of.push({ index, window });
    readings.set(key, reading);
  });
  return [...readings.values()];
}

/** Share of a batch's positions that may be padding, once it has enough rows for full GEMM speed. */
const PADDING = 0.15;
const ENOUGH_ROWS = 512;

/** Windows of like length share a batch, longest first: less padding, same numbers. */
export function batchesOf(lengths: readonly number[], most: number): number[][] {
  const order = lengths.map((_, i) => i).sort((a, b) => lengths[b]! - lengths[a]! || a - b);
  const batches: number[][] = [];
  let used = 0; // tokens of the last batch
  for (const i of order) {
    const last = batches.at(-1);
    const width = last === undefined ? 0 : lengths[last[0]!]!;
    const positions = width * ((last?.length ?? 0) + 1);
    const padded = positions > ENOUGH_ROWS && used + lengths[i]! < (1 - PADDING) * positions;
    if (last === undefined || last.length === most || padded) {
      batches.push([i]);
      used = lengths[i]!;
    } else {
      last.push(i);
      used += lengths[i]!;
    }
  }
  return batches;
}

function scoreBatch(
  arch: Architecture,
  w: Weights,
  readings: readonly Reading[],
  spread: boolean,
): TokenStats[] {
  return inference(() =>
    tidy(() => {
      const batch = toBatch(readings.map(({ ids }) => ids));
      const width = batch.rows[0]!.length;
      const windows = readings.flatMap(({ of }, row) => of.map(({ window }) => ({ row, window })));
      const index: number[] = [];
      const targets: number[] = [];
      for (const { row, window } of windows) {
        for (const t of window.scored) {
          index.push(row * width + t - 1);
          targets.push(window.ids[t]!);
        }
      }
      const all = emptyStats(index.length);
      const rows = rowsOf(hiddenStates(arch, w, batch), index);
      forEachChunk(rows, headOf(arch, w), targets, (logits, { from, targets: wanted }) => {
        const logp = logSoftmax(logits, -1); // (n, V)
        const own = gather(logp, 1, wanted); // (n, 1)
        all.logProbability.set(squeeze(own, 1).toFloats(), from);
        all.correct.set(eq(argmax(logp, { dim: -1, keepdim: true }), wanted).toInts(), from);
        if (!spread) return;
        all.rank.set(sumDim(gt(logp, own), [-1]).toInts(), from);
        all.entropy.set(neg(sumDim(mul(exp(logp), logp), [-1])).toFloats(), from);
      });
      return split(
        all,
        windows.map(({ window }) => window.scored.length),
      );
    }),
  );
}

function emptyStats(n: number): TokenStats {
  return {
    logProbability: new Float64Array(n),
    correct: new Uint8Array(n),
    entropy: new Float64Array(n),
    rank: new Float64Array(n),
  };
}

function split(all: TokenStats, counts: readonly number[]): TokenStats[] {
  let from = 0;
  return counts.map((n) => {
    const [start, end] = [from, (from += n)];
    return {
      logProbability: all.logProbability.slice(start, end),
      correct: all.correct.slice(start, end),
      entropy: all.entropy.slice(start, end),
      rank: all.rank.slice(start, end),
    };
  });
}
