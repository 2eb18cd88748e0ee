/**
 * @file Builds the tokenizer.json of a byte-level BPE tokenizer from its vocabulary and merges,
 * for GGUF files and for older directories that hold vocab.json and merges.txt only.
 */
import type { JsonObject } from "./json.ts";

export type AddedToken = { id: number; content: string; special: boolean };

type BpeParts = {
  vocab: ReadonlyMap<string, number>;
  /** Pairs, "left right": byte-level tokens hold no spaces, and old readers know no other form. */
  merges: readonly string[];
  added: readonly AddedToken[];
  preTokenizer: JsonObject;
  /** The token put before every text, if any. */
  bos?: { id: number; content: string } | undefined;
  ignoreMerges?: boolean;
};

const byteLevel = (useRegex: boolean): JsonObject => ({
  type: "ByteLevel",
  add_prefix_space: false,
  trim_offsets: true,
  use_regex: useRegex,
});

const split = (Regex: string): JsonObject => ({
  type: "Split",
  pattern: { Regex },
  behavior: "Isolated",
  invert: false,
});

const LLAMA3 =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

/** How a text is cut before merging, by the name GGUF files give it (tokenizer.ggml.pre). */
export const PRE_TOKENIZERS: Readonly<Record<string, JsonObject>> = {
  "gpt-2": byteLevel(true),
  smollm: {
    type: "Sequence",
    pretokenizers: [{ type: "Digits", individual_digits: true }, byteLevel(true)],
  },
  "llama-bpe": { type: "Sequence", pretokenizers: [split(LLAMA3), byteLevel(false)] },
};

/** The tokenizer.json, as an object. */
export function bpeTokenizerJson({
  vocab,
  merges,
  added,
  preTokenizer,
  bos,
  ignoreMerges = false,
}: BpeParts): JsonObject {
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: added.map(({ id, content, special }) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special,
    })),
    normalizer: null,
    pre_tokenizer: preTokenizer,
    post_processor: bos === undefined ? byteLevel(true) : bosTemplate(bos),
    decoder: byteLevel(true),
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: ignoreMerges,
      vocab: Object.fromEntries(vocab),
      merges,
    },
  };
}

/** A post-processor that puts `bos` before every text, and `eos` after it. */
export function bosTemplate(
  bos: { id: number; content: string } | undefined,
  eos?: { id: number; content: string },
): JsonObject {
  const special = (token: { content: string } | undefined, type_id: number) =>
    token === undefined ? [] : [{ SpecialToken: { id: token.content, type_id } }];
  const sequence = (id: string, type_id: number) => [
    ...special(bos, type_id),
    { Sequence: { id, type_id } },
    ...special(eos, type_id),
  ];
  const tokens = [bos, eos].filter((token) => token !== undefined);
  return {
    type: "TemplateProcessing",
    single: sequence("A", 0),
    pair: [...sequence("A", 0), ...sequence("B", 1)],
    special_tokens: Object.fromEntries(
      tokens.map(({ id, content }) => [content, { id: content, ids: [id], tokens: [content] }]),
    ),
  };
}
