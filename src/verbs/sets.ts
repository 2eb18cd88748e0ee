/** @file Sets of texts as the commands take them: read, tokenised, cut into windows; nothing dropped without a name. */
import { inputError, type UnreciteError } from "../base/errors.ts";
import {
  tokensInSpans,
  wholeCut,
  windowsOf,
  type EvaluateResult,
  type TokenCut,
  type Tokenised,
  type Window,
} from "../eval/index.ts";
import {
  findOverlaps,
  gpt2Decoder,
  readAllTexts,
  sha256,
  type TextPlace,
  type TextRecord,
  type Tokenizer,
} from "../io/index.ts";
import type { Model } from "../models/index.ts";
import { textsHash } from "./facts.ts";

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
  /** See `textsHash`; of the skipped ones too. */
  readonly sha256: string;
};

export type Cut = TokenCut & { readonly textField?: string };

/** Held-out text is scored behind its first token, in windows of 256; a shorter one, as any text, in its second half. */
export const HELDOUT_CUT: Cut = wholeCut(256);

/** The BOS in front of every text, where the tokenizer adds one, and what a text of the model's own begins with. */
export const leadOf = ({
  bosId,
  eosId,
  addsBos,
}: Tokenizer): { bos: number | undefined; start: number } => ({
  bos: addsBos ? (bosId ?? undefined) : undefined,
  start: bosId ?? eosId ?? 0,
});

export async function readSet(
  name: string,
  spec: string,
  model: Model,
  cut: Cut,
): Promise<TextSet> {
  const records = await readAllTexts(spec, { textField: cut.textField ?? "text" });
  return toSet(name, spec, records, model, cut);
}

/** Records as a set; `allowNone` returns an empty one where all texts are too short. */
export async function toSet(
  name: string,
  spec: string,
  records: readonly TextRecord[],
  model: Model,
  how: Cut,
  { allowNone = false }: { allowNone?: boolean } = {},
): Promise<TextSet> {
  const decode =
    records.some((r) => r.tokens !== undefined) && !model.tokenizer.isGpt2
      ? await gpt2Decoder()
      : undefined;
  const tokenised = records.map((r) => tokenise(r, model.tokenizer, decode));
  const { bos } = leadOf(model.tokenizer);
  const longest = model.arch.maxPositions - (bos === undefined ? 0 : 1);
  const cut = tokenised.map((t) => windowsOf(t, { ...how, text: 0, bos }));
  records.forEach((r, i) => {
    const tooLong = cut[i]!.find((w) => w.ids.length > longest);
    if (tooLong === undefined) return;
    throw inputError(
      `${spec}: ${r.id}: expected windows of at most ${longest} tokens, got ${tooLong.ids.length}`,
      {
        wayOut: "lower --prefix-tokens or --suffix-tokens",
      },
    );
  });
  const used = records.map((_, i) => i).filter((i) => cut[i]!.length > 0);
  if (used.length === 0 && !allowNone) {
    throw inputError(
      `${spec}: expected at least one text of 8 tokens or more, got none among ${records.length}`,
      { wayOut: "give longer texts" },
    );
  }
  const hash = textsHash();
  hash.add(records);
  return {
    name,
    spec,
    ids: used.map((i) => records[i]!.id),
    tokens: used.map((i) => tokenised[i]!.ids),
    contents: used.map((i) => contentOf(records[i]!, tokenised[i]!)),
    windows: used.flatMap((i, text) => cut[i]!.map((w) => ({ ...w, text }))),
    skipped: records.filter((_, i) => cut[i]!.length === 0).map((r) => r.id),
    hasSpans: records.some((r) => r.spans !== undefined),
    sha256: hash.digest(),
  };
}

/** Ids of the texts that were skipped, as result documents hold them. */
export function skippedIn(
  sets: Readonly<Record<string, Pick<TextSet, "skipped"> | undefined>>,
): Pick<EvaluateResult, "skipped_ids"> {
  const some = Object.entries(sets).flatMap(([name, set]) =>
    set === undefined || set.skipped.length === 0
      ? []
      : [[name, [...set.skipped]] satisfies [string, string[]]],
  );
  return some.length === 0 ? {} : { skipped_ids: Object.fromEntries(some) };
}

const contentOf = (r: TextRecord, t: Tokenised): string =>
  r.text ?? (r.prefix !== undefined ? r.prefix + (r.suffix ?? "") : t.ids.join(" "));

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
  const same = identical[0];
  if (same !== undefined) throw twice(same.a, same.b);
  const pairs = new Map<string, Set<string>>();
  for (const run of runs) {
    const key = [run.set, run.with.set].sort().join(" and ");
    const ids = pairs.get(key) ?? new Set<string>();
    ids.add(`${run.set}:${run.id}`);
    pairs.set(key, ids);
  }
  return [...pairs].map(
    ([names, ids]) =>
      `${names} share runs of 8 tokens: ${[...ids].slice(0, 6).join(", ")}${ids.size > 6 ? ", …" : ""}`,
  );
}

const twice = (a: TextPlace, b: TextPlace): UnreciteError =>
  inputError(
    `sets: expected no text in two sets, got ${a.set}:${a.id} and ${b.set}:${b.id} with the same tokens`,
    { wayOut: "take it out of one of them" },
  );

/** Refuses identical texts in two sets that pass by in pages: keeps a hash of each text. */
export function refuseTwice(): (page: TextSet) => void {
  const seen = new Map<string, TextPlace>();
  return ({ name: set, ids, tokens }) =>
    ids.forEach((id, i) => {
      const key = sha256(tokens[i]!.join(" "));
      const first = seen.get(key);
      if (first === undefined) seen.set(key, { set, id });
      else if (first.set !== set) throw twice(first, { set, id });
    });
}
