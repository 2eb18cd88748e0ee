/** @file What a run leaves behind, and how it is taken up again. */
export * from "./directory.ts";
export * from "./events.ts";
export * from "./read.ts";
export type * from "./types.ts";
