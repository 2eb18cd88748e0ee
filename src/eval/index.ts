/** @file Measurement: windows, one-pass statistics, metrics, result documents. */
export * from "./metrics/index.ts";
export * from "./results.ts";
export * from "./summary.ts";
export * from "./tasks/index.ts";
export * from "./token-stats.ts";
export * from "./windows.ts";
