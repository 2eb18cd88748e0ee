/** @file Pure functions that the models share: numerics once, wiring in each model. */
export * from "./activation.ts";
export * from "./attention.ts";
export * from "./norm.ts";
export * from "./rope.ts";
