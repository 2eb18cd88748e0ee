/** @file Files in and out: checkpoints, tokenizers, texts. Knows tensors, but no model. */
export * from "./atomic.ts";
export { openCheckpoint, type Checkpoint, type Shard } from "./checkpoint.ts";
export * from "./hash.ts";
export { isObject, readObject, type JsonObject } from "./json.ts";
export * from "./model-source.ts";
export * from "./safetensors.ts";
export * from "./safetensors-write.ts";
export * from "./texts.ts";
export { loadTokenizer, type Tokenizer } from "./tokenizer.ts";
export * from "./write-model.ts";
