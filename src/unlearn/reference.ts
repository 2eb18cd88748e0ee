/**
 * @file θ0's view of the forget set, made once: hidden rows (D numbers a row, not V logits), so that any target distribution
 * is exact and costs one product with the head per step. θ0's head must outlive it.
 */
import type { Window } from "../eval/windows.ts";
import {
  breathe,
  hiddenStates,
  rowsOf,
  toBatch,
  type Architecture,
  type Weights,
} from "../models/index.ts";
import {
  cat,
  inference,
  indexSelect,
  keep,
  linear,
  narrow,
  tensor,
  tidy,
  toDType,
  type Tensor,
} from "../torch/index.ts";
import { logProbabilities } from "./losses/rows.ts";
import type { NaturalRow, ReferenceRows } from "./losses/index.ts";
import type { Goal } from "./level.ts";
import { naturalOf, naturalRows, sharpenings, type NaturalOf } from "./natural.ts";

export type Reference = {
  /** θ0's view of the trained rows of these windows (indices into the forget windows), in that order. */
  readonly rowsOf: (members: readonly number[]) => ReferenceRows;
  readonly dispose: () => void;
};

export type LogitReference = {
  readonly rowsOf: (members: readonly number[]) => Pick<ReferenceRows, "logits">;
  readonly dispose: () => void;
};

type Options = {
  /** Asks for the natural level and targets that reach this goal. */
  natural: Goal | undefined;
  batchSize?: number;
  signal?: AbortSignal | undefined;
  bos?: number | undefined;
  /** Knows natural levels already, or will; made here when absent. */
  levelsAt?: NaturalOf | undefined;
  onRows?: (done: number, total: number) => void;
};

export async function makeReference(
  arch: Architecture,
  w: Weights,
  windows: readonly Window[],
  tokens: readonly (readonly number[])[],
  options: Options,
): Promise<Reference> {
  const { natural, batchSize = 16, signal, bos, onRows } = options;
  const levelsAt = options.levelsAt ?? naturalOf(arch, w, windows, { signal, bos });
  const hidden = await hiddenRows(arch, w, windows, tokens, { batchSize, signal });
  try {
    const head = w.get(arch.head);
    const targets = windows.flatMap((x, i) => tokens[i]!.map((t) => x.ids[t]!));
    const logProbability = logProbabilities(hidden, head, targets);
    const logits = (from: number, count: number) =>
      toDType(linear(narrow(hidden, 0, from, count), head), "float32");
    const aimedAt = async (goal: Goal): Promise<NaturalRow[]> => {
      const levels = await levelsAt(tokens, onRows);
      const exponents = sharpenings(levels, windows, tokens, goal);
      const ofRows = tokens.flatMap((list, i) => list.map(() => exponents[i]!));
      return inference(() =>
        naturalRows(levels.flat(), ofRows, { logProbability, logits }, targets),
      );
    };
    const rows = natural && (await aimedAt(natural));
    return over({ hidden, head, logProbability, rows, starts: startsOf(tokens), tokens });
  } catch (error) {
    hidden.dispose();
    throw error;
  }
}

/** θ0's hidden rows (ΣN, D) at the trained tokens of all windows; the caller's. */
export async function hiddenRows(
  arch: Architecture,
  w: Weights,
  windows: readonly Window[],
  tokens: readonly (readonly number[])[],
  { batchSize = 16, signal }: Pick<Options, "batchSize" | "signal"> = {},
): Promise<Tensor> {
  const parts: Tensor[] = [];
  try {
    for (let from = 0; from < windows.length; from += batchSize) {
      const to = from + batchSize;
      parts.push(keep(hiddenOf(arch, w, windows.slice(from, to), tokens.slice(from, to))));
      await breathe(signal);
    }
    return tidy(() => keep(cat(parts)));
  } finally {
    for (const part of parts) part.dispose();
  }
}

/** θ0's logits alone: for losses that ask no more of it. */
export async function makeLogitReference(
  arch: Architecture,
  w: Weights,
  windows: readonly Window[],
  tokens: readonly (readonly number[])[],
  options: Pick<Options, "batchSize" | "signal"> = {},
): Promise<LogitReference> {
  const hidden = await hiddenRows(arch, w, windows, tokens, options);
  const head = w.get(arch.head);
  return over({
    hidden,
    head,
    logProbability: [],
    rows: undefined,
    starts: startsOf(tokens),
    tokens,
  });
}

function hiddenOf(
  arch: Architecture,
  w: Weights,
  windows: readonly Window[],
  tokens: readonly (readonly number[])[],
): Tensor {
  return inference(() =>
    tidy(() => {
      const batch = toBatch(windows.map((x) => x.ids));
      const width = batch.rows[0]!.length;
      return rowsOf(
        hiddenStates(arch, w, batch),
        tokens.flatMap((list, b) => list.map((t) => b * width + t - 1)),
      );
    }),
  );
}

function startsOf(tokens: readonly (readonly number[])[]): number[] {
  let at = 0;
  return tokens.map((list) => (at += list.length) - list.length);
}

type Store = {
  hidden: Tensor;
  head: Tensor;
  logProbability: number[];
  rows: NaturalRow[] | undefined;
  starts: number[];
  tokens: readonly (readonly number[])[];
};

function over({ hidden, head, logProbability, rows, starts, tokens }: Store): Reference {
  return {
    rowsOf(members) {
      const index = members.flatMap((m) => tokens[m]!.map((_, i) => starts[m]! + i));
      return {
        logProbability: index.map((i) => logProbability[i]!),
        natural: rows && index.map((i) => rows[i]!),
        logits: (from, count) =>
          toDType(
            linear(
              indexSelect(hidden, 0, tensor(index.slice(from, from + count), { dtype: "int64" })),
              head,
            ),
            "float32",
          ),
      };
    },
    dispose: () => hidden.dispose(),
  };
}
