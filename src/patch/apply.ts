/**
 * @file Puts a patch on its base model, and takes it off again. A directory's files are copied and values rewritten at their
 * offsets: headers and everything else stay byte for byte. A .gguf base is written as a directory with the patch in it.
 */
import { copyFile, open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { inputError } from "../base/errors.ts";
import {
  openModel,
  sha256,
  writeCheckpoint,
  writeFolderAtomic,
  type ModelSource,
  type SafetensorsEntry,
} from "../io/index.ts";
import {
  add_,
  clone,
  DTYPES,
  fromBytes,
  keep,
  matmul,
  noGrad,
  t,
  tidy,
  toDType,
  type Tensor,
} from "../torch/index.ts";
import { scatterBytes } from "./diff.ts";
import { decodeGaps } from "./gaps.ts";
import { openPatch, writePatchFile, type OpenPatch } from "./format.ts";

/** Names of the base tensors that a patch changes. */
export const changedTensors = (patch: OpenPatch): string[] =>
  Object.keys(patch.binding.merged).sort();

/** The patched bytes of one tensor, in its stored dtype. */
export function patchedBytes(
  patch: OpenPatch,
  source: ModelSource,
  name: string,
  values: "new" | "old" = "new",
): Uint8Array {
  return tidy(() => {
    const stored = source.tensor(name);
    if (patch.binding.kind === "factors") return mergedFactors(patch, stored, name).bytes();
    return rewritten(patch, stored.bytes(), name, values, DTYPES[stored.dtype].bytes);
  });
}

function mergedFactors(patch: OpenPatch, stored: Tensor, name: string): Tensor {
  const layer = `base_model.model.${name.replace(/\.weight$/, "")}`;
  const a = toDType(patch.tensor(`${layer}.lora_A.weight`), "float32"); // (r, in)
  const b = toDType(patch.tensor(`${layer}.lora_B.weight`), "float32"); // (out, r)
  const u = t(a);
  return noGrad(() =>
    toDType(add_(clone(toDType(stored, "float32")), matmul(b, t(u))), stored.dtype),
  );
}

function rewritten(
  patch: OpenPatch,
  bytes: Uint8Array,
  name: string,
  values: "new" | "old",
  width: number,
): Uint8Array {
  const next = patch.tensor(`${name}.${values}`).bytes();
  if (!patch.names.includes(`${name}.index`)) return next;
  scatterBytes(bytes, decodeGaps(patch.tensor(`${name}.index`).bytes()), next, width);
  return bytes;
}

/** The patched tensor, for use in memory; undefined when the patch does not touch it. */
export function patchedTensor(
  patch: OpenPatch,
  source: ModelSource,
  name: string,
): Tensor | undefined {
  if (!Object.hasOwn(patch.binding.merged, name)) return undefined;
  const { shape, dtype } = source.info(name);
  return tidy(() => keep(fromBytes(patchedBytes(patch, source, name), shape, dtype)));
}

/** Refuses a damaged patch. */
export function requireIntact(patch: OpenPatch): void {
  if (patch.intact()) return;
  throw inputError(
    `${patch.path}: expected an unchanged patch, got one whose content does not match its SHA-256`,
    { wayOut: "take the patch from where it was written" },
  );
}

/** Refuses a model that the patch was not made for; `state` says which hashes it should have. */
export async function requireBase(
  patch: OpenPatch,
  source: ModelSource,
  state: "base" | "merged" = "base",
): Promise<void> {
  const expected =
    state === "base"
      ? patch.binding.base.tensors
      : { ...patch.binding.base.tensors, ...patch.binding.merged };
  const names = Object.keys(expected);
  const odd =
    names.length === source.names.length
      ? names.find((n) => !source.names.includes(n))
      : "(another number of tensors)";
  let different = odd;
  for (const name of names) {
    if (different !== undefined) break;
    if ((await source.tensorHash(name)) !== expected[name]) different = name;
  }
  if (different === undefined) return;
  const what =
    state === "base" ? "the model this patch was made for" : "the model with this patch applied";
  throw inputError(
    `${source.spec}: expected ${what} (${patch.binding.base.model}), got another: ${different} differs`,
    {
      wayOut: "name that model, or make a patch for this one with erase",
    },
  );
}

type ApplyOptions = { model: string; patch: string; out: string; undo?: string };

/** Writes base + patch to the new directory `out`; returns how many tensors changed. */
export async function applyPatch({
  model,
  patch: path,
  out,
  undo,
}: ApplyOptions): Promise<{ tensors: number; changed: number }> {
  const patch = await openPatch(path);
  const source = await openModel(model);
  try {
    requireIntact(patch);
    if (patch.binding.values === "undo") {
      throw inputError(`${path}: expected a patch with new values, got an undo file`, {
        wayOut: "use: unrecite patch revert",
      });
    }
    await requireBase(patch, source);
    await rewriteModel(source, out, changedTensors(patch), (name) =>
      checked(patch, name, patchedBytes(patch, source, name)),
    );
    if (undo !== undefined) await writeUndo(undo, source, patch);
    return { tensors: changedTensors(patch).length, changed: patch.binding.changed };
  } finally {
    source.close();
    patch.close();
  }
}

function checked(patch: OpenPatch, name: string, bytes: Uint8Array): Uint8Array {
  if (sha256(bytes) === patch.binding.merged[name]) return bytes;
  throw inputError(
    `${patch.path}: ${name}: expected the merged values that were recorded, got others`,
    { wayOut: "use the LibTorch version the patch was made with, or erase again" },
  );
}

/** Takes a patch off: the base model's files, byte for byte, in the new directory `out`. */
export async function revertPatch({
  model,
  patch: path,
  out,
}: Omit<ApplyOptions, "undo">): Promise<{ tensors: number }> {
  const patch = await openPatch(path);
  const source = await openModel(model);
  try {
    requireIntact(patch);
    const { kind, values } = patch.binding;
    if (kind === "factors" || values === "stripped") {
      const why = kind === "factors" ? "factors, which hold none" : "a stripped patch";
      throw inputError(`${path}: expected old values to go back to, got ${why}`, {
        wayOut: "take the base model; apply --undo FILE keeps old values for next time",
      });
    }
    await requireBase(patch, source, "merged");
    const names = changedTensors(patch);
    await rewriteModel(source, out, names, (name) => patchedBytes(patch, source, name, "old"));
    return { tensors: names.length };
  } finally {
    source.close();
    patch.close();
  }
}

/** Old values of everything a patch changes: whole tensors for factors, where nearly all values move. */
async function writeUndo(file: string, source: ModelSource, patch: OpenPatch): Promise<void> {
  const entries = changedTensors(patch).flatMap((name): SafetensorsEntry[] => {
    const { dtype, shape } = source.info(name);
    const keepIndex = patch.names.includes(`${name}.index`);
    if (!keepIndex) {
      return [
        { name: `${name}.old`, dtype, shape, bytes: () => tidy(() => source.tensor(name).bytes()) },
      ];
    }
    return ["index", "old"].map((part) => {
      const tensor = tidy(() => {
        const held = patch.tensor(`${name}.${part}`);
        return { dtype: held.dtype, shape: held.shape, bytes: held.bytes() };
      });
      return {
        name: `${name}.${part}`,
        dtype: tensor.dtype,
        shape: tensor.shape,
        bytes: () => tensor.bytes,
      };
    });
  });
  await writePatchFile(file, entries, { ...patch.binding, kind: "sparse", values: "undo" });
}

/** A copy of a model's directory with some tensors rewritten in place; of a .gguf, the directory made of it. */
async function rewriteModel(
  source: ModelSource,
  out: string,
  names: readonly string[],
  bytesOf: (name: string) => Uint8Array,
): Promise<void> {
  if (source.kind === "gguf") {
    const changed = new Set(names);
    const given = (name: string) =>
      changed.has(name)
        ? fromBytes(bytesOf(name), source.info(name).shape, source.info(name).dtype)
        : undefined;
    return writeCheckpoint(out, source, { tensor: given });
  }
  await writeFolderAtomic(out, async (folder) => {
    for (const entry of await readdir(source.path, { withFileTypes: true })) {
      if (entry.isFile() || entry.isSymbolicLink()) {
        await copyFile(join(source.path, entry.name), join(folder, entry.name));
      }
    }
    const places = source.placeOf;
    for (const { file } of source.shards) {
      const handle = await open(join(folder, file), "r+");
      try {
        for (const name of names) {
          const place = places?.(name);
          if (place === undefined || !place.file.endsWith(`/${file}`)) continue;
          const bytes = bytesOf(name);
          for (let done = 0; done < bytes.length;) {
            done += (
              await handle.write(
                bytes,
                done,
                Math.min(bytes.length - done, 1 << 30),
                place.begin + done,
              )
            ).bytesWritten;
          }
        }
        await handle.sync();
      } finally {
        await handle.close();
      }
    }
  });
}
