/**
 * @file Refuses a tokenizer.json that asks for what @huggingface/tokenizers does not do: it would be read without a word
 * and give other ids than the model was trained on.
 */
import { inputError } from "../base/errors.ts";
import { isObject, type JsonObject } from "./json.ts";

const OTHER_MODEL = "take a model whose tokenizer does without it";

/** Throws at the first feature of `definition` (a tokenizer.json) that would give wrong ids; `where` names it. */
export function expectKnownFeatures(definition: JsonObject, where: string): void {
  const found = unknownFeature(definition);
  if (found === undefined) return;
  const [feature, wayOut] = found;
  throw inputError(
    `${where}: expected a tokenizer.json of which we do all that it asks for, got ${feature}`,
    { wayOut },
  );
}

function unknownFeature(definition: JsonObject): [feature: string, wayOut: string] | undefined {
  const model = isObject(definition["model"]) ? definition["model"] : {};
  const { type, vocab, dropout, unk_token: unknown } = model;
  if (Array.isArray(vocab) && model["byte_fallback"] === true) {
    return ["Unigram with byte_fallback", OTHER_MODEL];
  }
  const knows = isObject(vocab) && typeof unknown === "string" && Object.hasOwn(vocab, unknown);
  if (type === "WordLevel" && !knows) {
    return ["WordLevel without its unk_token in the vocabulary", OTHER_MODEL];
  }
  if ("merges" in model && (model["continuing_subword_prefix"] ?? "") !== "") {
    return ["BPE with a continuing_subword_prefix", OTHER_MODEL];
  }
  if (typeof dropout === "number" && dropout > 0) {
    return ["BPE with dropout", "set dropout to null there, so that a text has one tokenisation"];
  }
  const added = Array.isArray(definition["added_tokens"]) ? definition["added_tokens"] : [];
  if (added.some((token) => isObject(token) && token["single_word"] === true)) {
    return ["an added token that is a single_word", OTHER_MODEL];
  }
  return undefined;
}
