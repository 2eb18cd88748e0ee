/**
 * @file Loads a model's tokenizer over @huggingface/tokenizers: tokenizer.json, or GPT-2's vocab.json and merges.txt.
 * Adds what the library leaves out: character ranges of tokens, the BOS rule of tokenizer_config.json, a hash.
 */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { environmentError, inputError, messageOf } from "../base/errors.ts";
import { bpeTokenizerJson, bosTemplate, PRE_TOKENIZERS, type AddedToken } from "./bpe-json.ts";
import { bytesOfToken } from "./byte-level.ts";
import { readError } from "./disk-error.ts";
import { sha256 } from "./hash.ts";
import { isObject, kindOf, parseObject, readObject, type JsonObject } from "./json.ts";
import { makeHfTokenizer, type HfTokenizer } from "./hf-tokenizers.ts";
import { hasGpt2Vocabulary } from "./gpt2-vocabulary.ts";
import { asReference } from "./pre-tokenizer.ts";
import type { Span } from "./text-record.ts";
import { alignTokens } from "./token-offsets.ts";
import { expectKnownFeatures } from "./tokenizer-features.ts";

export type Tokenizer = {
  /** Token ids; `addSpecial` puts BOS (and what else the tokenizer adds) around them. */
  encode(text: string, options?: { addSpecial?: boolean }): number[];
  /** Ids and the UTF-16 range of each; special tokens put around the text have an empty range. */
  encodeWithOffsets(
    text: string,
    options?: { addSpecial?: boolean },
  ): { ids: number[]; offsets: Span[] };
  /** The text of ids, exactly (no clean-up of spaces); ids beyond the vocabulary are left out. */
  decode(ids: readonly number[], options?: { skipSpecial?: boolean }): string;
  /** The highest id, plus one. */
  readonly vocabSize: number;
  readonly bosId: number | null;
  readonly eosId: number | null;
  readonly addsBos: boolean;
  /** True when ids are GPT-2's, so that token files can be used as they are. */
  readonly isGpt2: boolean;
  /** SHA-256 of tokenizer.json. */
  readonly sha256: string;
};

/** A tokenizer as files: the text of tokenizer.json and the object in tokenizer_config.json. */
export type TokenizerFiles = { json: string; config: JsonObject };

/** The tokenizer of a model directory, or of files rebuilt in memory. */
export async function loadTokenizer(source: { dir: string } | TokenizerFiles): Promise<Tokenizer> {
  const where = "dir" in source ? source.dir : "the rebuilt tokenizer";
  const { json, config } = "dir" in source ? await readTokenizerFiles(source.dir) : source;
  const definition = parseObject(
    json,
    "dir" in source ? join(source.dir, "tokenizer.json") : where,
  );
  expectKnownFeatures(definition, where);
  const special = specialTokens(definition, config);
  let library: HfTokenizer;
  try {
    library = makeHfTokenizer(asLoaded(definition, config, special), {
      ...config,
      ...unknownWord(definition["model"]),
      clean_up_tokenization_spaces: false,
    });
  } catch (cause) {
    throw inputError(`${where}: expected a tokenizer.json that we read, got: ${messageOf(cause)}`, {
      wayOut: "save the tokenizer again with a recent transformers",
      cause,
    });
  }
  return tokenizerOver(library, { definition, special, where, hash: sha256(json) });
}

type Special = {
  bos: { id: number; content: string } | null;
  eos: { id: number; content: string } | null;
};

function tokenizerOver(
  library: HfTokenizer,
  {
    definition,
    special,
    where,
    hash,
  }: { definition: JsonObject; special: Special; where: string; hash: string },
): Tokenizer {
  const addedIds = library.get_added_tokens_decoder();
  const specialIds = new Set([...addedIds.values()].filter((t) => t.special).map((t) => t.id));
  const vocabSize = 1 + [...library.get_vocab().values()].reduce((a, b) => Math.max(a, b), -1);
  const byteLevel = JSON.stringify(definition["decoder"] ?? null).includes('"ByteLevel"');
  const encode: Tokenizer["encode"] = (text, { addSpecial = true } = {}) =>
    library.encode(text, { add_special_tokens: addSpecial }).ids;
  const around = aroundTexts(encode);

  const bytesOf = (id: number) => {
    const added = addedIds.get(id);
    if (added !== undefined) return { bytes: Buffer.from(added.content), added: true };
    const token = library.id_to_token(id) ?? "";
    return {
      bytes: byteLevel ? (bytesOfToken(token) ?? Buffer.from(token)) : bytesOfPiece(token),
      added: false,
    };
  };

  return {
    encode,
    encodeWithOffsets(text, { addSpecial = true } = {}) {
      const ids = encode(text, { addSpecial: false });
      const { normalizer } = library;
      const normalize =
        normalizer === null ? undefined : (part: string) => normalizer.normalize(part);
      const offsets = alignTokens(text, ids.map(bytesOf), { normalize });
      if (offsets === undefined) {
        throw environmentError(
          `${where}: expected tokens that spell the text, got others: no character ranges`,
          {
            wayOut: "leave out the spans: whole texts need no character ranges",
          },
        );
      }
      if (!addSpecial) return { ids, offsets };
      const at = (place: number) => ({ start: place, end: place });
      return {
        ids: [...around.before, ...ids, ...around.after],
        offsets: [
          ...around.before.map(() => at(0)),
          ...offsets,
          ...around.after.map(() => at(text.length)),
        ],
      };
    },
    decode(ids, { skipSpecial = false } = {}) {
      const known = ids.filter(
        (id) => id >= 0 && id < vocabSize && !(skipSpecial && specialIds.has(id)),
      );
      return known.length === 0 ? "" : library.decode(known);
    },
    vocabSize,
    bosId: special.bos?.id ?? null,
    eosId: special.eos?.id ?? null,
    addsBos: special.bos !== null && around.before.includes(special.bos.id),
    isGpt2: hasGpt2Vocabulary((text) => encode(text, { addSpecial: false })),
    sha256: hash,
  };
}

/** The ids that the tokenizer puts before and after every text. */
function aroundTexts(encode: Tokenizer["encode"]): { before: number[]; after: number[] } {
  const bare = encode("a", { addSpecial: false });
  const full = encode("a");
  const extra = full.length - bare.length;
  for (let before = extra; before >= 0; before--) {
    if (bare.every((id, i) => full[before + i] === id)) {
      return { before: full.slice(0, before), after: full.slice(before + bare.length) };
    }
  }
  return { before: [], after: [] };
}

/** The bytes of a SentencePiece token: "▁" is a space, "<0x0A>" is a byte. */
function bytesOfPiece(token: string): Uint8Array {
  const byte = /^<0x([0-9A-F]{2})>$/.exec(token)?.[1];
  return byte === undefined ? Buffer.from(token.replaceAll("▁", " ")) : Buffer.from(byte, "hex");
}

const asLoaded = (definition: JsonObject, config: JsonObject, special: Special): JsonObject => ({
  ...withBosRule(definition, config, special),
  pre_tokenizer: asReference(definition["pre_tokenizer"]),
});

/** The library takes the unk_token of WordLevel from tokenizer_config.json; the reference takes the model's own. */
const unknownWord = (model: unknown): JsonObject =>
  isObject(model) && model["type"] === "WordLevel" ? { unk_token: model["unk_token"] } : {};

/** Like transformers 5: an explicit add_bos_token or add_eos_token replaces the template of tokenizer.json. */
function withBosRule(
  definition: JsonObject,
  config: JsonObject,
  { bos, eos }: Special,
): JsonObject {
  const { add_bos_token: addBos, add_eos_token: addEos } = config;
  if (typeof addBos !== "boolean" && typeof addEos !== "boolean") return definition;
  const template = bosTemplate(
    addBos === true && bos !== null ? bos : undefined,
    addEos === true && eos !== null ? eos : undefined,
  );
  return { ...definition, post_processor: template };
}

/** A token in tokenizer_config.json: its text, or an object that holds it. */
const contentOf = (token: unknown): unknown => (isObject(token) ? token["content"] : token);

function specialTokens(definition: JsonObject, config: JsonObject): Special {
  const model = isObject(definition["model"]) ? definition["model"] : {};
  const vocab = isObject(model["vocab"]) ? model["vocab"] : {};
  const added = Array.isArray(definition["added_tokens"])
    ? definition["added_tokens"].filter(isObject)
    : [];
  const find = (token: unknown) => {
    const content = contentOf(token);
    if (typeof content !== "string") return null;
    const id = added.find((entry) => entry["content"] === content)?.["id"] ?? vocab[content];
    return typeof id === "number" ? { id, content } : null;
  };
  return { bos: find(config["bos_token"]), eos: find(config["eos_token"]) };
}

async function readTokenizerFiles(dir: string): Promise<TokenizerFiles> {
  const config = await readOptional(join(dir, "tokenizer_config.json"));
  const map = await readOptional(join(dir, "special_tokens_map.json"));
  const merged = { ...map, ...config };
  if (existsSync(join(dir, "tokenizer.json"))) {
    try {
      return { json: await readFile(join(dir, "tokenizer.json"), "utf8"), config: merged };
    } catch (error) {
      throw readError(error, join(dir, "tokenizer.json"), "a tokenizer");
    }
  }
  if (existsSync(join(dir, "vocab.json")) && existsSync(join(dir, "merges.txt"))) {
    return fromGpt2Files(dir, merged);
  }
  throw inputError(`${dir}: expected tokenizer.json (or vocab.json and merges.txt), got neither`, {
    wayOut:
      `write it: python -c "from transformers import AutoTokenizer as T; ` +
      `T.from_pretrained('${dir}').save_pretrained('${dir}')"`,
  });
}

const readOptional = async (path: string): Promise<JsonObject> =>
  existsSync(path) ? readObject(path) : {};

async function fromGpt2Files(dir: string, config: JsonObject): Promise<TokenizerFiles> {
  const vocab = Object.entries(await readObject(join(dir, "vocab.json"))) as [string, number][];
  const lines = (await readFile(join(dir, "merges.txt"), "utf8")).split(/\r?\n/);
  const merges = lines.filter(
    (line, i) => line !== "" && !(i === 0 && line.startsWith("#version")),
  );
  // GPT-2 has one special token, which is BOS and EOS and which no config needs to name
  const end = "<|endoftext|>";
  const id = vocab.find(([token]) => token === end)?.[1];
  const named = { bos_token: end, eos_token: end, ...config };
  const more = await addedTokens(join(dir, "added_tokens.json"), named);
  const added =
    id === undefined || more.some(({ content }) => content === end)
      ? more
      : [{ id, content: end, special: true }, ...more];
  const definition = bpeTokenizerJson({
    vocab: new Map(vocab),
    merges,
    added,
    preTokenizer: PRE_TOKENIZERS["gpt-2"] ?? {},
  });
  return { json: JSON.stringify(definition), config: named };
}

/** The tokens that a directory without tokenizer.json keeps beside its vocabulary; special are those that `config` names. */
async function addedTokens(path: string, config: JsonObject): Promise<AddedToken[]> {
  const { additional_special_tokens: others, ...rest } = config;
  const named = Object.keys(rest).filter((key) => key.endsWith("_token"));
  const values: unknown[] = named.map((key) => rest[key]);
  const special = new Set(values.concat(others).map(contentOf));
  return Object.entries(await readOptional(path)).map(([content, id]) => {
    if (typeof id === "number" && Number.isSafeInteger(id) && id >= 0) {
      return { id, content, special: special.has(content) };
    }
    throw inputError(`${path}: token ${kindOf(content)}: expected its id, got ${kindOf(id)}`, {
      wayOut: "take the file that was saved with the vocabulary",
    });
  });
}
