/** @file The dials, by name. Adding one: its file, a row here, and a method that names it. */
import { ssd } from "./ssd.ts";
import { decoding } from "./decoding.ts";
import { taskArithmetic } from "./task-arithmetic.ts";
import type { MakeDial } from "./types.ts";

export const DIALS = {
  dp_decoding: decoding,
  contrastive_decoding: decoding,
  task_arithmetic: taskArithmetic,
  ssd,
} satisfies Record<string, MakeDial>;
export type DialName = keyof typeof DIALS;

export type { DialInput, MadeDial } from "./types.ts";
