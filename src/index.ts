/** @file The library: what the command line is a thin skin on. Typed results are the documents of eval/results.ts. */
export { loadModel, type Model } from "./models/index.ts";
export { readTexts, type TextRecord } from "./io/index.ts";
export { audit, type AuditHooks, type AuditRow } from "./verbs/audit.ts";
export { compare, type CompareHooks, type CompareOptions } from "./verbs/compare.ts";
export { erase } from "./verbs/erase.ts";
export type { EraseHooks, EraseOptions } from "./verbs/erase-types.ts";
export { evaluate, type EvaluateHooks } from "./verbs/evaluate.ts";
export type { Facts } from "./verbs/facts.ts";
export { memorize, type MemorizeHooks } from "./verbs/memorize.ts";
export {
  applyPatch,
  inspectPatch,
  revertPatch,
  stripPatch,
  verifyPatch,
  type PatchSummary,
} from "./patch/index.ts";
export { UnreciteError } from "./base/errors.ts";
export type {
  AuditResult,
  CompareResult,
  CompareRow,
  EraseResult,
  EvaluateResult,
  MemorizeResult,
} from "./eval/index.ts";
