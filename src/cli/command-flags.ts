/** @file Flags of the commands that are the command line's own. */
import type { Flags } from "../base/flags.ts";
import { GLOBAL } from "../verbs/flags.ts";

export const PATCH = {
  patch: { kind: "text", help: "the patch: a file or an adapter directory" },
  model: { kind: "text", help: "the base model (for revert: the patched one)" },
  out: { kind: "text", help: "where the result goes" },
  undo: {
    kind: "text",
    help: "apply: also writes the old values here; revert: goes back by them, without --patch",
  },
} as const satisfies Flags;

export const REPORT = {
  run: { kind: "text", required: true, help: "run directory" },
  out: { kind: "text", help: "where the report goes (default: report.html in the run directory)" },
  includeText: { kind: "switch", default: false, help: "shows the texts that texts.jsonl holds" },
} as const satisfies Flags;

export const GENERATE = {
  model: { kind: "text", required: true, help: "model directory, .gguf file or hf:owner/name" },
  patch: { kind: "text", help: "patch to put on it first" },
  prompt: { kind: "text", required: true, help: "text to continue" },
  maxTokens: { kind: "integer", default: 64, min: 1, max: 100_000, help: "tokens to add" },
  temperature: { kind: "number", default: 0, min: 0, max: 100, help: "0 is greedy" },
  topK: {
    kind: "integer",
    default: 0,
    min: 0,
    max: 1_000_000,
    help: "keep the k likeliest tokens (0: all)",
  },
  topP: {
    kind: "number",
    default: 1,
    min: 0,
    max: 1,
    help: "keep the likeliest tokens of this mass",
  },
  diff: {
    kind: "switch",
    default: false,
    help: "with --patch: shows the model without and with it",
  },
  ...GLOBAL,
} as const satisfies Flags;

export const LS = {} as const satisfies Flags;
