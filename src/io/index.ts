/** @file What io offers to the layers above it: files in, files out. */
export * from "./atomic.ts";
export { openCheckpoint, type Checkpoint, type Shard } from "./checkpoint.ts";
export { writeCheckpoint, type WriteCheckpointOptions } from "./checkpoint-write.ts";
export { readError, writeError } from "./disk-error.ts";
export { gpt2Decoder } from "./gpt2-vocabulary.ts";
export * from "./hash.ts";
export { modelHash, openModel, type ModelSource } from "./model-source.ts";
export { findOverlaps, type Overlaps, type TextPlace, type TokenisedText } from "./overlap.ts";
export { readHeader, type SafetensorsHeader, type TensorInfo } from "./safetensors.ts";
export { headerOf, writeSafetensors, type SafetensorsEntry } from "./safetensors-write.ts";
export { readAllTexts, readTexts, type Span, type TextRecord } from "./texts.ts";
export { openCheckpointFile, type SafetensorsFile } from "./safetensors-file.ts";
export { loadTokenizer, type Tokenizer } from "./tokenizer.ts";
export { isObject, readObject, type JsonObject } from "./json.ts";
export { readJsonRows } from "./rows.ts";
