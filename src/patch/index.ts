/** @file Patches: made, applied, taken off, checked, stripped. */
export { applyPatch, patchedTensor, requireBase, requireIntact, revertPatch } from "./apply.ts";
export { writeFactors, writeSparse, type Factor, type PatchInfo } from "./create.ts";
export { openPatch, type OpenPatch } from "./format.ts";
export { inspectPatch, stripPatch, verifyPatch, type PatchSummary } from "./inspect.ts";
