/**
 * @file Refuses a GGUF file of architecture llama whose metadata ask for another computation than a plain Llama's:
 * the rebuilt config.json has no word for it, so the model would run and give other values.
 */
import { inputError } from "../base/errors.ts";
import { kindOf, type JsonObject } from "./json.ts";

type Rule = { key: string; expected: string; isPlain: (value: number) => boolean };

// as llama.cpp reads them, 0 stands for none
const noFactor = (key: string): Rule => ({
  key,
  expected: "1 or none",
  isPlain: (value) => value === 0 || value === 1,
});

/** Throws at the first value that a plain Llama with heads of `headDim` channels does not have. */
export function expectPlainLlama(
  path: string,
  metadata: JsonObject,
  { headDim, wayOut }: { headDim: number; wayOut: string },
): void {
  const scaling = metadata["llama.rope.scaling.type"];
  if (scaling !== undefined && scaling !== "none") {
    throw inputError(
      `${path}: expected plain rotary embeddings, got the scaling ${kindOf(scaling)}`,
      { wayOut },
    );
  }
  const headSize = (key: string): Rule => ({
    key,
    expected: `the head size, ${headDim}`,
    isPlain: (value) => value === headDim,
  });
  const context = Number(metadata["llama.context_length"]);
  const rules: Rule[] = [
    // a factor beside the type "none" is not applied
    ...(scaling === undefined ? ["rope.scaling.factor", "rope.scale_linear"].map(noFactor) : []),
    noFactor("logit_scale"),
    headSize("rope.dimension_count"),
    headSize("attention.value_length"),
    {
      key: "attention.sliding_window",
      expected: `none below the context length, ${context}`,
      isPlain: (value) => value === 0 || value >= context,
    },
  ];
  for (const { key, expected, isPlain } of rules) {
    const value = metadata[`llama.${key}`];
    if (value === undefined || isPlain(Number(value))) continue;
    throw inputError(`${path}: llama.${key}: expected ${expected}, got ${kindOf(value)}`, {
      wayOut,
    });
  }
}
