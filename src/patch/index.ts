/** @file Patches: made, applied, taken off, checked, stripped. */
export {
  applyPatch,
  revertPatch,
  type Applied,
  type ApplyOptions,
  type RevertOptions,
} from "./apply.ts";
export { writeFactors, writeSparse, type About, type Factor, type PatchInfo } from "./create.ts";
export { openPatch, type OpenPatch } from "./format.ts";
export { inspectPatch, stripPatch, verifyPatch, type PatchSummary } from "./inspect.ts";
export { patchedTensor, requireBase, requireIntact } from "./patched.ts";
export { writeDecoding, type Reinforced } from "./decoding.ts";
export { servePatch, writePrompt } from "./serve.ts";
