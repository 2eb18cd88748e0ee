/**
 * @file Patches that leave the weights untouched and act when the model runs: what stands in them is put around the base model.
 * They are bound to it like any other; whatever is served is checked in full each time.
 */
import { inputError, type UnreciteError } from "../base/errors.ts";
import type { ModelSource } from "../io/index.ts";
import {
  plainWeights,
  prompted,
  SOFT_PROMPT,
  type Model,
  type Served,
  type Weights,
} from "../models/index.ts";
import {
  clone,
  contiguous,
  disposeAll,
  keep,
  tidy,
  toDevice,
  toDType,
  type DType,
  type Tensor,
} from "../torch/index.ts";
import type { Binding } from "./binding.ts";
import { bindingOf, type About, type PatchInfo } from "./create.ts";
import { changedParameters, serveDecoding } from "./decoding.ts";
import type { OpenPatch } from "./format.ts";
import { requireBase, requireIntact } from "./patched.ts";
import { writePatchFile } from "./write.ts";

export type ServedKind = Exclude<Binding["kind"], "factors" | "sparse">;

const IS: Readonly<Record<ServedKind, string>> = {
  prompt: "a prompt",
  decoding: "a decoding rule",
};

export const actsWhenRun = (kind: Binding["kind"]): kind is ServedKind => Object.hasOwn(IS, kind);

/** Refuses a patch that has no weights to put anywhere. */
export function requireWeights({ path, binding: { kind } }: OpenPatch): void {
  if (!actsWhenRun(kind)) return;
  throw inputError(`${path}: expected a patch that changes weights, got ${IS[kind]}`, {
    wayOut: "it acts when the model runs: give it to evaluate or generate with --patch",
  });
}

/** Writes the file of a soft prompt (P, D), in `dtype`. */
export async function writePrompt(
  file: string,
  source: ModelSource,
  prompt: Tensor,
  about: About,
  { dtype = "float32" }: { dtype?: DType } = {},
): Promise<PatchInfo> {
  const sha256 = await writePatchFile(file, async (add) => {
    const bytes = tidy(() => toDType(contiguous(prompt), dtype).bytes());
    await add({ name: SOFT_PROMPT, dtype, shape: prompt.shape, bytes });
    return bindingOf(source, "prompt", about, { merged: {}, changed: 0 });
  });
  return { kind: "prompt", path: file, sha256, changed: 0 };
}

/** The base model as it runs under the patch: changed tensors in their place, or what acts at run time around it. */
export async function servePatch(patch: OpenPatch, base: Model): Promise<Served> {
  const { kind } = patch.binding;
  requireIntact(patch);
  // all of the model, not the changed tensors alone: on other weights beside them the result is no model that was measured
  await requireBase(patch, base.source);
  if (!actsWhenRun(kind)) {
    const changed = changedParameters(patch, base);
    const weights = plainWeights(base.arch, new Map([...base.params, ...changed]));
    return { arch: base.arch, weights, dispose: () => disposeAll(changed) };
  }
  requireTokenizer(patch, base.tokenizer.sha256);
  return kind === "prompt" ? servePrompt(patch, base) : serveDecoding(patch, base);
}

function servePrompt(patch: OpenPatch, base: Model): Served {
  const prompt = tidy(() => keep(clone(toDevice(patch.tensor(SOFT_PROMPT), base.dtype)))); // (P, D)
  const plain = plainWeights(base.arch, base.params);
  const weights: Weights = {
    ...plain,
    get: (name) => (name === SOFT_PROMPT ? prompt : plain.get(name)),
  };
  return {
    arch: prompted(base.arch, prompt.shape[0]!),
    weights,
    dispose: () => disposeAll([prompt]),
  };
}

type Failure = (message: string, extra: { wayOut: string }) => UnreciteError;

/** Refuses another tokenizer: the prompt was learnt in front of this one's tokens. */
export function requireTokenizer(
  { path, binding: { base } }: OpenPatch,
  sha256: string,
  fail: Failure = inputError,
): void {
  if (sha256 === base.tokenizer) return;
  throw fail(
    `${path}: expected the tokenizer of the model this patch was made for (${base.model}), got another`,
    { wayOut: "put that model's tokenizer.json back" },
  );
}
