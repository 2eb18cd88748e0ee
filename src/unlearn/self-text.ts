/**
 * @file Ordinary text without any data: θ0's own samples at temperature 1. Those that share an 8-token run with the forget set
 * are dropped.
 */
import { inputError } from "../base/errors.ts";
import { randomIntegers } from "../base/random.ts";
import type { Window } from "../eval/windows.ts";
import { generate, type Architecture, type Weights } from "../models/index.ts";

export const SELF_TEXTS = 48;
export const SELF_TOKENS = 64;
const RUN = 8;
/** Tokens of a text that a sample of its kind begins with: enough to say what kind, too few to be gone on with as in the text. */
const BEGUN = 2;
/** Samples of the texts' kind, however many texts: twice as many keep no more of what is kept (LOG.md), and take as long again. */
const MOST = 512;
/** Prompts at once: more keys and values are not held. */
const BATCH = 64;

type Where = {
  length?: number;
  seed: number;
  signal?: AbortSignal | undefined;
};

type SelfOptions = Where & {
  count?: number;
  /** BOS, or what stands for it. */
  start: number;
  vocab: number;
  /** Token rows that must not come back. */
  avoid: readonly (readonly number[])[];
};

/**
 * Up to `count` rows of `length` tokens, half from BOS (or the first token a text could have), half from a random first token; fewer
 * only when samples had to be dropped. An error where none is left: the model says nothing but the set.
 */
export async function selfTexts(
  arch: Architecture,
  w: Weights,
  { count = SELF_TEXTS, start, vocab, avoid, ...where }: SelfOptions,
): Promise<number[][]> {
  const random = randomIntegers(`self-text ${where.seed}`, vocab, count);
  const firsts = random.map((id, i) => [i % 2 === 0 ? start : id]);
  const rows = await sampled(arch, w, firsts, runsIn(avoid), where);
  if (rows.length > 0) return rows;
  throw inputError(
    `own samples: expected text that is not of the set, got ${count} samples that all share ${RUN} tokens in a row with it`,
    { wayOut: "the model says nothing else: try another --seed, or erase fewer texts at a time" },
  );
}

type KindredOptions = Where & {
  each: number;
  onRows?: ((done: number, total: number) => void) | undefined;
};

/**
 * Up to `each` rows a text, of its kind: what θ0 makes of two tokens from somewhere in it, the texts in turn and each one's windows
 * in turn; 512 in all at most.
 * What only the kind says, and kept texts of that kind say too, is then ordinary text.
 */
export async function kindred(
  arch: Architecture,
  w: Weights,
  windows: readonly Window[],
  { each, onRows, ...where }: KindredOptions,
): Promise<number[][]> {
  if (each === 0) return []; // most methods: the texts' runs need not be listed
  const texts = windowsByText(windows);
  const count = Math.min(MOST, each * texts.length);
  const random = randomIntegers(`kindred ${where.seed}`, 2 ** 31, count);
  const firsts = random.map((n, i) => {
    const own = texts[i % texts.length]!;
    const { ids } = own[Math.floor(i / texts.length) % own.length]!;
    const at = n % Math.max(1, ids.length - BEGUN + 1);
    return ids.slice(at, at + BEGUN);
  });
  const avoid = runsIn(windows.map((w) => w.ids));
  const rows: number[][] = [];
  for (let at = 0; at < count; at += BATCH) {
    const part = { ...where, seed: where.seed + 2000 + at };
    rows.push(...(await sampled(arch, w, firsts.slice(at, at + BATCH), avoid, part)));
    onRows?.(Math.min(at + BATCH, count), count);
  }
  return rows;
}

function windowsByText(windows: readonly Window[]): Window[][] {
  const texts = new Map<number, Window[]>();
  for (const w of windows) texts.set(w.text, [...(texts.get(w.text) ?? []), w]);
  return [...texts.values()];
}

/** What θ0 makes of prompts of one length. */
async function sampled(
  arch: Architecture,
  w: Weights,
  prompts: readonly (readonly number[])[],
  avoid: ReadonlySet<string>,
  { length = SELF_TOKENS, seed, signal }: Where,
): Promise<number[][]> {
  const tails = await generate(arch, w, prompts, {
    maxTokens: length - prompts[0]!.length,
    temperature: 1,
    seed: seed + 1,
    ...(signal && { signal }),
  });
  return tails
    .map((tail, i) => [...prompts[i]!, ...tail])
    .filter((ids) => !runsOf(ids).some((run) => avoid.has(run)));
}

const runsIn = (rows: readonly (readonly number[])[]): Set<string> => new Set(rows.flatMap(runsOf));

const runsOf = (ids: readonly number[]): string[] =>
  Array.from({ length: Math.max(0, ids.length - RUN + 1) }, (_, i) =>
    ids.slice(i, i + RUN).join(" "),
  );
