/** @file Models: architectures, loading, forward and backward passes, generation. */
export * from "./architecture.ts";
export * from "./backward.ts";
export * from "./batch.ts";
export * from "./forward.ts";
export * from "./generate.ts";
export * from "./head.ts";
export * from "./load.ts";
export * from "./paired.ts";
export * from "./prompted.ts";
export * from "./rules.ts";
export * from "./stem.ts";
export * from "./truncated.ts";
export type * from "./types.ts";
export * from "./weights.ts";
