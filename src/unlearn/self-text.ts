/**
 * @file Ordinary text without any data: θ0's own samples at temperature 1, half from BOS (or the first token a text could
 * have), half from a random first token. Samples that share an 8-token run with the forget set are dropped.
 */
import { generate, type Architecture, type Weights } from "../models/index.ts";
import { randomIntegers } from "../base/random.ts";

export const SELF_TEXTS = 48;
export const SELF_TOKENS = 64;
const RUN = 8;

type Options = {
  count?: number;
  length?: number;
  seed: number;
  /** BOS, or what stands for it. */
  start: number;
  vocab: number;
  /** Token rows that must not come back. */
  avoid: readonly (readonly number[])[];
  signal?: AbortSignal | undefined;
};

/** Up to `count` rows of `length` tokens; fewer only when samples had to be dropped. */
export async function selfTexts(
  arch: Architecture,
  w: Weights,
  { count = SELF_TEXTS, length = SELF_TOKENS, seed, start, vocab, avoid, signal }: Options,
): Promise<number[][]> {
  const random = randomIntegers(`self-text ${seed}`, vocab, count);
  const firsts = random.map((id, i) => [i % 2 === 0 ? start : id]);
  const tails = await generate(arch, w, firsts, {
    maxTokens: length - 1,
    temperature: 1,
    seed: seed + 1,
    ...(signal && { signal }),
  });
  const runs = new Set(avoid.flatMap((ids) => runsOf(ids)));
  return tails
    .map((tail, i) => [...firsts[i]!, ...tail])
    .filter((ids) => !runsOf(ids).some((r) => runs.has(r)));
}

const runsOf = (ids: readonly number[]): string[] =>
  Array.from({ length: Math.max(0, ids.length - RUN + 1) }, (_, i) =>
    ids.slice(i, i + RUN).join(" "),
  );
