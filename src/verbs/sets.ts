/** @file Sets of texts as the commands take them: read, tokenised, cut into windows; nothing dropped without a name. */
import { inputError } from "../base/errors.ts";
import { tokensInSpans, windowsOf, type Tokenised, type Window } from "../eval/index.ts";
import {
  findOverlaps,
  gpt2Decoder,
  readAllTexts,
  sha256,
  type TextRecord,
  type Tokenizer,
} from "../io/index.ts";
import type { Model } from "../models/index.ts";

export type TextSet = {
  readonly name: string;
  readonly spec: string;
  readonly ids: readonly string[];
  /** Token ids of each text, without special tokens. */
  readonly tokens: readonly (readonly number[])[];
  /** Content of each text, for hashes; never written unless asked for. */
  readonly contents: readonly string[];
  readonly windows: readonly Window[];
  /** Ids of texts of fewer than 8 tokens, or without a token in their spans. */
  readonly skipped: readonly string[];
  readonly hasSpans: boolean;
};

export type Cut = { prefix: number; suffix: number; textField?: string };

/** Held-out text is scored whole: every token behind the first of windows of 256. */
export const HELDOUT_CUT: Cut = { prefix: 1, suffix: 255 };

export async function readSet(
  name: string,
  spec: string,
  model: Model,
  { prefix, suffix, textField = "text" }: Cut,
): Promise<TextSet> {
  const records = await readAllTexts(spec, { textField });
  const decode =
    records.some((r) => r.tokens !== undefined) && !model.tokenizer.isGpt2
      ? await gpt2Decoder()
      : undefined;
  const tokenised = records.map((r) => tokenise(r, model.tokenizer, decode));
  const bos = model.tokenizer.addsBos ? (model.tokenizer.bosId ?? undefined) : undefined;
  const longest = model.arch.maxPositions - (bos === undefined ? 0 : 1);
  const windows = tokenised.map((t, text) => windowsOf(t, { text, prefix, suffix, bos }));
  const tooLong = windows.flat().find((w) => w.ids.length > longest);
  if (tooLong !== undefined) {
    throw inputError(
      `${spec}: ${records[tooLong.text]!.id}: expected windows of at most ${longest} tokens, got ${tooLong.ids.length}`,
      {
        wayOut: "lower --prefix-tokens or --suffix-tokens",
      },
    );
  }
  const skipped = records.filter((_, i) => windows[i]!.length === 0).map((r) => r.id);
  if (skipped.length === records.length) {
    throw inputError(
      `${spec}: expected at least one text of 8 tokens or more, got none among ${records.length}`,
      { wayOut: "give longer texts" },
    );
  }
  return {
    name,
    spec,
    ids: records.map((r) => r.id),
    tokens: tokenised.map((t) => t.ids),
    contents: records.map(
      (r, i) =>
        r.text ??
        (r.prefix !== undefined ? r.prefix + (r.suffix ?? "") : tokenised[i]!.ids.join(" ")),
    ),
    windows: windows.flat(),
    skipped,
    hasSpans: records.some((r) => r.spans !== undefined),
  };
}

function tokenise(
  record: TextRecord,
  tokenizer: Tokenizer,
  decode: ((ids: readonly number[]) => string) | undefined,
): Tokenised {
  if (record.tokens !== undefined) {
    return {
      ids:
        decode === undefined
          ? record.tokens.ids
          : tokenizer.encode(decode(record.tokens.ids), { addSpecial: false }),
    };
  }
  if (record.prefix !== undefined) {
    const head = tokenizer.encode(record.prefix, { addSpecial: false });
    return {
      ids: [...head, ...tokenizer.encode(record.suffix ?? "", { addSpecial: false })],
      suffixFrom: head.length,
    };
  }
  const text = record.text ?? "";
  if (record.spans === undefined) return { ids: tokenizer.encode(text, { addSpecial: false }) };
  const { ids, offsets } = tokenizer.encodeWithOffsets(text, { addSpecial: false });
  return { ids, inSpan: tokensInSpans(offsets, record.spans) };
}

/** Refuses identical texts in two sets; returns a sentence for each pair of sets that share runs of 8 tokens. */
export function checkOverlaps(sets: readonly (TextSet | undefined)[]): string[] {
  const given = sets.filter((s) => s !== undefined);
  const { identical, runs } = findOverlaps(
    Object.fromEntries(
      given.map((s) => [s.name, s.ids.map((id, i) => ({ id, tokens: s.tokens[i]! }))]),
    ),
  );
  const crossing = identical.find((group) => new Set(group.map((p) => p.set)).size > 1);
  if (crossing !== undefined) {
    const places = crossing.map((p) => `${p.set}:${p.id}`).join(", ");
    throw inputError(`sets: expected no text in two sets, got the same one as ${places}`, {
      wayOut: "take it out of one of them",
    });
  }
  const pairs = new Map<string, Set<string>>();
  for (const { places } of runs) {
    const names = [...new Set(places.map((p) => p.set))].sort();
    if (names.length < 2) continue;
    const key = names.join(" and ");
    const ids = pairs.get(key) ?? new Set<string>();
    for (const p of places) ids.add(`${p.set}:${p.id}`);
    pairs.set(key, ids);
  }
  return [...pairs].map(
    ([names, ids]) =>
      `${names} share runs of 8 tokens: ${[...ids].slice(0, 6).join(", ")}${ids.size > 6 ? ", …" : ""}`,
  );
}

/** SHA-256 of a set's contents, for the manifest. */
export const hashOfSet = (set: TextSet): string =>
  sha256(set.ids.map((id, i) => `${id}\n${sha256(set.contents[i]!)}`).join("\n"));
