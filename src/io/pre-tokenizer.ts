/**
 * @file Makes @huggingface/tokenizers cut texts as the reference (Rust) library does, where it differs:
 * its Digits takes ASCII digits only (not ½, ², ٣), and JavaScript's \s holds U+FEFF and lacks U+0085.
 * Rewrites the definition in memory; the file, and its hash, stay as they are.
 */
import { isObject, type JsonObject } from "./json.ts";

const SPACE = "\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const BYTE_LEVEL =
  `'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^${SPACE}\\p{L}\\p{N}]+` +
  `|[${SPACE}]+(?![^${SPACE}])|[${SPACE}]+`;

const split = (Regex: string): JsonObject => ({
  type: "Split",
  pattern: { Regex },
  behavior: "Isolated",
  invert: false,
});

/** A pre_tokenizer that cuts, in the JavaScript library, as `definition` does in the reference. */
export function asReference(definition: unknown): unknown {
  if (!isObject(definition)) return definition;
  const { type, pretokenizers } = definition;
  if (type === "Sequence" && Array.isArray(pretokenizers)) {
    return { ...definition, pretokenizers: pretokenizers.map(asReference) };
  }
  if (type === "Digits") {
    return split(definition["individual_digits"] === true ? "\\p{N}" : "\\p{N}+");
  }
  // with a prefix space the cut must come after it, inside ByteLevel
  if (
    type === "ByteLevel" &&
    definition["use_regex"] !== false &&
    definition["add_prefix_space"] !== true
  ) {
    return {
      type: "Sequence",
      pretokenizers: [split(BYTE_LEVEL), { ...definition, use_regex: false }],
    };
  }
  return definition;
}
