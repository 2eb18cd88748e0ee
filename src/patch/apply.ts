/** @file Puts a patch on its base model, and takes it off again; either way a new directory, whole or not at all. */
import { rm } from "node:fs/promises";
import { inputError } from "../base/errors.ts";
import { expectEmptyFolder, isInside, openModel, type ModelSource } from "../io/index.ts";
import { tidy } from "../torch/index.ts";
import { hashFrom } from "./create.ts";
import { piecesOf } from "./diff.ts";
import { openPatch, type OpenPatch } from "./format.ts";
import { changedTensors, patchedBytes, requireBase, requireIntact } from "./patched.ts";
import { rewriteModel } from "./rewrite.ts";
import { requireWeights } from "./serve.ts";
import { expectNewFile, writePatchFile, type Fill } from "./write.ts";

export type Applied = {
  /** Tensors that were rewritten. */
  tensors: number;
  /** Stored values that differ between base and result. */
  changed: number;
  /** The hash of the model that was written, as `openModel(out).hash()` gives it. */
  sha256: string;
  /** Names in the model's directory that did not come along: no part of a model, or its weights in another form. */
  left_out: readonly string[];
};

export type ApplyOptions = {
  model: string;
  patch: string;
  out: string;
  /** Where to keep the old values, for `revertPatch`. */
  undo?: string | undefined;
  signal?: AbortSignal | undefined;
};

/** Writes base + patch to the new directory `out`, and with `undo` the file that leads back. */
export async function applyPatch({
  model,
  patch: path,
  out,
  undo,
  signal,
}: ApplyOptions): Promise<Applied> {
  await expectEmptyFolder(out);
  if (undo !== undefined) expectPlaceForUndo(undo, out);
  return withBoth(model, path, async (source, patch) => {
    requireIntact(patch);
    requireWeights(patch);
    if (patch.binding.values === "undo") {
      throw inputError(`${path}: expected a patch with new values, got an undo file`, {
        wayOut: `use: unrecite patch revert --patch ${path}`,
      });
    }
    await requireBase(patch, source);
    const names = changedTensors(patch);
    if (undo !== undefined) await writeUndo(undo, source, patch, signal);
    try {
      const bytesOf = (name: string) => patchedBytes(patch, source, name);
      await rewriteModel(source, out, { names, bytesOf, signal });
    } catch (error) {
      if (undo !== undefined) await rm(undo, { force: true });
      throw error;
    }
    const { base, merged, changed } = patch.binding;
    const sha256 = hashFrom(source, { ...base.tensors, ...merged });
    return { tensors: names.length, changed, sha256, left_out: source.leftOut };
  });
}

/** The undo file holds what was erased: never inside the model that is to be handed on. */
function expectPlaceForUndo(undo: string, out: string): void {
  expectNewFile(undo);
  if (!isInside(undo, out)) return;
  throw inputError(`--undo ${undo}: expected a path outside ${out}, got one inside it`, {
    wayOut: "keep the undo file apart from the model: it is as confidential as the texts",
  });
}

/** Old values of all that a patch changes, bound to the same base. */
async function writeUndo(
  file: string,
  source: ModelSource,
  patch: OpenPatch,
  signal: AbortSignal | undefined,
): Promise<void> {
  const fill: Fill = async (add) => {
    for (const name of changedTensors(patch)) {
      signal?.throwIfAborted();
      const before = tidy(() => source.tensor(name).bytes());
      const change = {
        name,
        ...source.info(name),
        before,
        after: patchedBytes(patch, source, name),
      };
      for (const piece of piecesOf(change, ["old"]).pieces) await add(piece);
    }
    return { ...patch.binding, kind: "sparse", values: "undo" };
  };
  await writePatchFile(file, fill, { signal });
}

export type RevertOptions = {
  /** The model with the patch on it. */
  model: string;
  out: string;
  /** A sparse patch with old values, or an undo file; either name will do. */
  patch?: string | undefined;
  undo?: string | undefined;
  signal?: AbortSignal | undefined;
};

/** Takes a patch off: the base model's files, byte for byte, in the new directory `out`. */
export async function revertPatch({
  model,
  patch,
  undo,
  out,
  signal,
}: RevertOptions): Promise<Applied> {
  const path = undo ?? patch;
  if (path === undefined) {
    throw inputError("revert: expected a patch or an undo file, got neither", {
      wayOut: "name the undo file that apply --undo wrote, or a sparse patch",
    });
  }
  await expectEmptyFolder(out);
  return withBoth(model, path, async (source, opened) => {
    requireIntact(opened);
    requireWeights(opened);
    const { kind, values, base, changed } = opened.binding;
    if (kind === "factors" || values === "stripped") {
      const got = kind === "factors" ? "factors, which hold none" : "a stripped patch";
      throw inputError(`${path}: expected old values to go back to, got ${got}`, {
        wayOut: `take the base model (${base.model}); apply --undo FILE would have kept a way back`,
      });
    }
    await requireBase(opened, source, { state: "merged" });
    const names = changedTensors(opened);
    const bytesOf = (name: string) => patchedBytes(opened, source, name, "old");
    await rewriteModel(source, out, { names, bytesOf, signal });
    const sha256 = hashFrom(source, base.tensors);
    return { tensors: names.length, changed, sha256, left_out: source.leftOut };
  });
}

async function withBoth<T>(
  model: string,
  path: string,
  use: (source: ModelSource, patch: OpenPatch) => Promise<T>,
): Promise<T> {
  const patch = await openPatch(path);
  try {
    const source = await openModel(model);
    try {
      return await use(source, patch);
    } finally {
      source.close();
    }
  } finally {
    patch.close();
  }
}
