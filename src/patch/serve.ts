/**
 * @file Patches that leave the weights untouched and act when the model runs: what stands in them is put around the base model.
 * They are bound to it like any other, and checked in full each time they are served, since no merged tensor vouches for them.
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
import type { OpenPatch } from "./format.ts";
import { requireBase, requireIntact } from "./patched.ts";
import { writePatchFile } from "./write.ts";

export type ServedKind = Exclude<Binding["kind"], "factors" | "sparse">;

const IS: Readonly<Record<ServedKind, string>> = { prompt: "a prompt" };

export const actsWhenRun = (kind: Binding["kind"]): kind is ServedKind => Object.hasOwn(IS, kind);

/** Refuses a patch that has no weights to put anywhere. */
export function requireWeights({ path, binding: { kind } }: OpenPatch): void {
  if (!actsWhenRun(kind)) return;
  throw inputError(`${path}: expected a patch that changes weights, got ${IS[kind]}`, {
    wayOut: "it acts when the model runs: give it to evaluate or generate with --patch",
  });
}

/** Writes one file with these tensors, in `dtype`; the model with the patch on it has the base's hash. */
export async function writeServed(
  file: string,
  source: ModelSource,
  kind: ServedKind,
  tensors: ReadonlyMap<string, Tensor>,
  about: About,
  { dtype = "float32" }: { dtype?: DType } = {},
): Promise<PatchInfo> {
  const sha256 = await writePatchFile(file, async (add) => {
    for (const [name, tensor] of tensors) {
      const bytes = tidy(() => toDType(contiguous(tensor), dtype).bytes());
      await add({ name, dtype, shape: tensor.shape, bytes });
    }
    return bindingOf(source, kind, about, { merged: {}, changed: 0 });
  });
  return { kind, path: file, sha256, changed: 0 };
}

/** The base model with the patch around it, in memory; refuses a damaged patch and another base or tokenizer. */
export async function servePatch(patch: OpenPatch, base: Model): Promise<Served> {
  requireIntact(patch);
  await requireBase(patch, base.source);
  requireTokenizer(patch, base.tokenizer.sha256);
  return served(patch, base);
}

function served(patch: OpenPatch, base: Model): Served {
  const tensor = (name: string): Tensor =>
    tidy(() => keep(clone(toDevice(patch.tensor(name), base.dtype))));
  const prompt = tensor(SOFT_PROMPT); // (P, D)
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
