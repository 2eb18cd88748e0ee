/**
 * @file The GPT-2 vocabulary: tells whether a tokenizer has it, and decodes its ids for models that do not.
 * The tables come with the package gpt-tokenizer and are loaded only when a text needs them.
 */
import { inputError } from "../base/errors.ts";

export const GPT2_VOCABULARY_SIZE = 50257;

// words, digits, runs of spaces and bytes of several scripts: a tokenizer that agrees here has GPT-2's ids
const PROBE = "The quick\tbrown  fox — 1024 naïve 漢字\n\n";
const PROBE_IDS: readonly number[] = [
  464, 2068, 197, 33282, 220, 21831, 851, 28119, 41492, 10545, 120, 95, 27764, 245, 628,
];

/** True when `encode` gives GPT-2's ids, so that ids from files can be used as they are. */
export const hasGpt2Vocabulary = (encode: (text: string) => readonly number[]): boolean => {
  const ids = encode(PROBE);
  return ids.length === PROBE_IDS.length && ids.every((id, i) => id === PROBE_IDS[i]);
};

/** A function from GPT-2 ids to text; bytes that are no UTF-8 become U+FFFD. */
export async function gpt2Decoder(): Promise<(ids: readonly number[]) => string> {
  const { decode } = await import("gpt-tokenizer/encoding/r50k_base");
  return (ids) => {
    const bad = ids.find((id) => !(id >= 0 && id < GPT2_VOCABULARY_SIZE));
    if (bad !== undefined) {
      throw inputError(`GPT-2 ids: expected ids below ${GPT2_VOCABULARY_SIZE}, got ${bad}`, {
        wayOut: "check that the file holds ids of the GPT-2 vocabulary",
      });
    }
    return decode(ids);
  };
}
