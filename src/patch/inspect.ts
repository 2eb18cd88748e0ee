/** @file What a patch says of itself, whether it is whole, and how to make one that can be shipped. */
import { accessSync, constants } from "node:fs";
import { gateError, inputError, messageOf } from "../base/errors.ts";
import { readError, openModel } from "../io/index.ts";
import { tidy } from "../torch/index.ts";
import type { Binding } from "./binding.ts";
import { reinforcedIn } from "./decoding.ts";
import { openPatch, patchFile, type OpenPatch } from "./format.ts";
import { changedTensors, patchedBytes, requireBase, requireIntact } from "./patched.ts";
import { actsWhenRun, requireTokenizer, requireWeights } from "./serve.ts";
import { expectNewFile, writePatchFile, type Fill } from "./write.ts";

export type PatchSummary = {
  kind: Binding["kind"];
  values: "full" | "stripped" | "undo";
  path: string;
  sha256: string;
  bytes: number;
  tensors: number;
  /** The largest rank of factors; null for other patches. */
  rank: number | null;
  changed: number;
  /** Of decoding rules: which, and how strong. */
  decoding?: { rule: string; strength: number };
  method: string;
  tool: string;
  base: string;
  /** The hash of the base model, and of the model with the patch on it. */
  base_sha256: string;
  result_sha256: string;
  texts: number;
  settings: Record<string, unknown>;
};

/** What the patch at `path` says of itself; its content is not checked. */
export async function inspectPatch(path: string): Promise<PatchSummary> {
  const patch = await openPatch(path);
  try {
    return summaryOf(patch);
  } finally {
    patch.close();
  }
}

const summaryOf = (patch: OpenPatch): PatchSummary => {
  const { kind, values, method, tool, base, result, texts, settings, changed, rank, decoding } =
    patch.binding;
  return {
    kind,
    values,
    path: patch.path,
    sha256: patch.sha256,
    bytes: patch.bytes,
    tensors: changedTensors(patch).length,
    rank: rank ?? null,
    changed,
    ...(decoding && { decoding: { rule: decoding.rule, strength: decoding.strength } }),
    method,
    tool,
    base: base.model,
    base_sha256: base.sha256,
    result_sha256: result,
    texts: texts.length,
    settings,
  };
};

/**
 * Throws a gate failure (exit 1) for a patch that was changed, or, with a model, for one that does not belong to it or does not
 * give the result it names. An undo file belongs to the model with the patch on it.
 */
export async function verifyPatch({
  patch: path,
  model,
}: {
  patch: string;
  model?: string | undefined;
}): Promise<PatchSummary> {
  const patch = await openForVerifying(path);
  try {
    requireIntact(patch, gateError);
    if (model !== undefined) await verifyWith(patch, model);
    return summaryOf(patch);
  } finally {
    patch.close();
  }
}

/** A patch that is there but cannot be read as one has been changed: that is a finding, not a mistake of the caller. */
async function openForVerifying(path: string): Promise<OpenPatch> {
  try {
    accessSync(patchFile(path), constants.R_OK);
  } catch (error) {
    throw readError(error, path, "a patch");
  }
  try {
    return await openPatch(path);
  } catch (error) {
    throw gateError(messageOf(error), { cause: error });
  }
}

async function verifyWith(patch: OpenPatch, model: string): Promise<void> {
  const source = await openModel(model);
  try {
    const undo = patch.binding.values === "undo";
    await requireBase(patch, source, { state: undo ? "merged" : "base", fail: gateError });
    if (actsWhenRun(patch.binding.kind)) {
      requireTokenizer(patch, (await source.tokenizer()).sha256, gateError);
    }
    const written = reinforcedIn(patch); // a reinforced model that a rule holds is made, too
    for (const name of changedTensors(written)) {
      try {
        patchedBytes(written, source, name, undo ? "old" : "new");
      } catch (error) {
        throw gateError(messageOf(error), { cause: error });
      }
    }
  } finally {
    source.close();
  }
}

/** A sparse patch without old values: the one to ship, since what can be undone holds what was erased. */
export async function stripPatch({
  patch: path,
  out,
  signal,
}: {
  patch: string;
  out: string;
  signal?: AbortSignal | undefined;
}): Promise<PatchSummary> {
  expectNewFile(out);
  const patch = await openPatch(path);
  try {
    requireIntact(patch);
    requireWeights(patch);
    requireNewValues(patch);
    const fill: Fill = async (add) => {
      for (const name of patch.names.filter((n) => !n.endsWith(".old"))) {
        const { dtype, shape, bytes } = tidy(() => {
          const tensor = patch.tensor(name);
          return { dtype: tensor.dtype, shape: tensor.shape, bytes: tensor.bytes() };
        });
        await add({ name, dtype, shape, bytes });
      }
      return { ...patch.binding, values: "stripped" };
    };
    await writePatchFile(out, fill, { signal });
  } finally {
    patch.close();
  }
  return inspectPatch(out);
}

function requireNewValues({ path, binding: { kind, values } }: OpenPatch): void {
  if (kind === "factors") {
    throw inputError(`${path}: expected a sparse patch, got factors, which hold no old values`, {
      wayOut: "ship it as it is",
    });
  }
  if (values === "undo") {
    throw inputError(`${path}: expected a patch with new values, got an undo file`, {
      wayOut: "strip the patch itself, and keep or destroy the undo file",
    });
  }
}
