/** @file What a run records beside its result: hashes of what went in, and the settings that a method brought. */
import { createHash } from "node:crypto";
import type { TextRecord } from "../io/index.ts";
import type { Model } from "../models/index.ts";

export type Facts = {
  /**
   * SHA-256 of the model, its tokenizer, a patch, and of each set of texts as `texts:NAME`. A guess of the texts could be
   * checked against the last: salt it before it is kept.
   */
  readonly hashes?: Readonly<Record<string, string>>;
  /** In force though nobody gave them, by their keys. */
  readonly settings?: Readonly<Record<string, unknown>>;
};

/** A hook that takes facts as they become known; without it no model is hashed for their sake. */
export type OnFacts = ((facts: Facts) => void) | undefined;

export async function modelFacts(
  { source, tokenizer }: Pick<Model, "source" | "tokenizer">,
  onFacts: OnFacts,
): Promise<void> {
  onFacts?.({ hashes: { model: await source.hash(), tokenizer: tokenizer.sha256 } });
}

/** The facts of sets that were read whole; those that were not given are undefined. */
export function setFacts(
  sets: Readonly<Record<string, { readonly sha256: string } | undefined>>,
  onFacts: OnFacts,
): void {
  const hashes = Object.entries(sets).flatMap(([name, set]) =>
    set === undefined ? [] : [[`texts:${name}`, set.sha256] as const],
  );
  onFacts?.({ hashes: Object.fromEntries(hashes) });
}

/** All that was given of a text, in one line. */
export const recordLine = ({ id, text, prefix, suffix, tokens, spans }: TextRecord): string =>
  JSON.stringify([id, text, prefix, suffix, tokens?.ids, spans]);

/** SHA-256 over texts that pass by, the same however they come in pages. */
export function textsHash(): {
  add: (records: readonly TextRecord[]) => void;
  digest: () => string;
} {
  const hash = createHash("sha256");
  return {
    add(records) {
      for (const record of records) hash.update(`${recordLine(record)}\n`);
    },
    digest: () => hash.digest("hex"),
  };
}
