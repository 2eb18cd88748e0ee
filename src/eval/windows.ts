/**
 * @file Cuts a tokenised text into windows of a prefix that is given and a suffix that is scored (SPEC.md section 2): every
 * token behind the first P is a suffix token of exactly one window. Where less than half a suffix would be left at the end, the
 * last two windows share: of a token or two nearly every text would be recited.
 */
import type { Span } from "../io/index.ts";

/** Shorter texts are skipped: half of them would be no context to speak of. */
export const MIN_TOKENS = 8;

export type Window = {
  /** Index of the text in its set. */
  readonly text: number;
  /** Token ids, the BOS in front where the tokenizer adds one. */
  readonly ids: readonly number[];
  /** Index in `ids` of the first suffix token. */
  readonly suffixStart: number;
  /** Indices in `ids` of the suffix tokens that are scored, in order; all of the suffix unless the text has spans. */
  readonly scored: readonly number[];
};

export type Tokenised = {
  readonly ids: readonly number[];
  /** Where the given suffix begins, when the text came as prefix and suffix. */
  readonly suffixFrom?: number | undefined;
  /** Per token: does it overlap a span? Absent when the text has no spans. */
  readonly inSpan?: readonly boolean[] | undefined;
};

/** Which tokens [start, end) overlap any of the character spans. */
export function tokensInSpans(offsets: readonly Span[], spans: readonly Span[]): boolean[] {
  return offsets.map(({ start, end }) => spans.some((s) => start < s.end && end > s.start));
}

/** A row of tokens as one window of which every token behind the first is scored. */
export const wholeWindow = (ids: readonly number[], text: number): Window => ({
  text,
  ids,
  suffixStart: 1,
  scored: ids.slice(1).map((_, i) => i + 1),
});

/** How texts are cut, in tokens. */
export type TokenCut = {
  readonly prefix: number;
  readonly suffix: number;
  /** Ordinary text, of which nothing is recited: longer contexts count there, not longer last windows. */
  readonly whole?: boolean | undefined;
};

/** Ordinary text in windows of `length`, scored behind its first token. */
export const wholeCut = (length: number): TokenCut => ({
  prefix: 1,
  suffix: length - 1,
  whole: true,
});

/** The windows of one text; none when it has fewer than 8 tokens, or no token in its spans. */
export function windowsOf(
  { ids, suffixFrom, inSpan }: Tokenised,
  { text, bos, ...cut }: TokenCut & { text: number; bos?: number | undefined },
): Window[] {
  if (ids.length < MIN_TOKENS) return [];
  const lead = bos === undefined ? [] : [bos];
  const window = (from: number, split: number, to: number): Window => {
    const scored: number[] = [];
    for (let i = split; i < to; i++) {
      if (inSpan === undefined || inSpan[i]) scored.push(i - from + lead.length);
    }
    return {
      text,
      ids: [...lead, ...ids.slice(from, to)],
      suffixStart: split - from + lead.length,
      scored,
    };
  };
  return cuts(ids.length, suffixFrom, cut)
    .map(([from, split, to]) => window(from, split, to))
    .filter((w) => w.scored.length > 0);
}

/** [from, first suffix token, end) of each window. */
function cuts(
  length: number,
  suffixFrom: number | undefined,
  { prefix, suffix, whole = false }: TokenCut,
): [number, number, number][] {
  if (suffixFrom !== undefined && suffixFrom > 0 && suffixFrom < length) {
    return [[0, suffixFrom, length]];
  }
  if (length < prefix + suffix) return [[0, Math.floor(length / 2), length]];
  const list: [number, number, number][] = [];
  let split = prefix;
  while (split < length) {
    const left = length - split;
    const shared = !whole && left > suffix && left < 1.5 * suffix;
    const end = Math.min(length, split + (shared ? Math.ceil(left / 2) : suffix));
    list.push([split - prefix, split, end]);
    split = end;
  }
  return list;
}
