/** @file Makes a patch from what an eraser wrote: factors as a LoRA adapter for PEFT, single weights as gaps and values. */
import { rm } from "node:fs/promises";
import type { ModelSource, SafetensorsEntry } from "../io/index.ts";
import { sha256 } from "../io/index.ts";
import { DTYPES, t, tidy, toDType, contiguous, type DType, type Tensor } from "../torch/index.ts";
import type { Binding } from "./binding.ts";
import { differences, gatherBytes } from "./diff.ts";
import { encodeGaps } from "./gaps.ts";
import { writeAdapter, writePatchFile } from "./format.ts";

export type PatchInfo = {
  kind: "factors" | "sparse";
  path: string;
  sha256: string;
  changed: number;
};

/** What a caller knows of a patch besides its tensors. */
export type About = Pick<Binding, "tool" | "method" | "settings" | "texts"> & {
  base: { model: string; tokenizer: string };
};

/** SHA-256 of every tensor of a model. */
export async function tensorHashes(source: ModelSource): Promise<Record<string, string>> {
  const out: Record<string, string> = {};
  for (const name of source.names) out[name] = await source.tensorHash(name);
  return out;
}

const merge = (
  source: ModelSource,
  name: string,
  merged: (name: string) => Tensor | undefined,
): { before: Uint8Array; after: Uint8Array } | undefined =>
  tidy(() => {
    const value = merged(name);
    if (value === undefined) return undefined;
    const stored = source.tensor(name);
    return { before: stored.bytes(), after: toDType(value, stored.dtype).bytes() };
  });

/** A LoRA layer: y = W x + B (Uᵀ x). */
export type Factor = { readonly u: Tensor; readonly b: Tensor };

/**
 * Writes the directory that PEFT loads: lora_A = Uᵀ (r, in), lora_B = B (out, r), alpha = r so that the scale is 1. `merged`
 * must be made of the factors as they are stored, in `dtype`.
 */
export async function writeFactors(
  folder: string,
  source: ModelSource,
  factors: ReadonlyMap<string, Factor>,
  merged: (name: string) => Tensor | undefined,
  about: About,
  { dtype = "float32" }: { dtype?: DType } = {},
): Promise<PatchInfo> {
  const hashes: Record<string, string> = {};
  let changed = 0;
  for (const name of source.names) {
    const pair = merge(source, name, merged);
    if (pair === undefined) continue;
    changed += differences(pair.before, pair.after, source.info(name).dtype).count;
    hashes[name] = sha256(pair.after);
  }
  const layers = [...factors];
  const rank = Math.max(...layers.map(([, f]) => f.b.shape[1]!));
  const config = {
    peft_type: "LORA",
    task_type: "CAUSAL_LM",
    base_model_name_or_path: about.base.model,
    r: rank,
    lora_alpha: rank,
    lora_dropout: 0,
    bias: "none",
    fan_in_fan_out: false,
    inference_mode: true,
    target_modules: [...new Set(layers.map(([name]) => name.split(".").at(-1)!))].sort(),
    rank_pattern: Object.fromEntries(
      layers.filter(([, f]) => f.b.shape[1] !== rank).map(([name, f]) => [name, f.b.shape[1]]),
    ),
    alpha_pattern: Object.fromEntries(
      layers.filter(([, f]) => f.b.shape[1] !== rank).map(([name, f]) => [name, f.b.shape[1]]),
    ),
  };
  const entries = layers.flatMap(([name, { u, b }]): SafetensorsEntry[] => [
    {
      name: `base_model.model.${name}.lora_A.weight`,
      dtype,
      shape: [u.shape[1]!, u.shape[0]!],
      bytes: () => tidy(() => toDType(contiguous(t(u)), dtype).bytes()),
    },
    {
      name: `base_model.model.${name}.lora_B.weight`,
      dtype,
      shape: b.shape,
      bytes: () => tidy(() => toDType(b, dtype).bytes()),
    },
  ]);
  const binding = await bindingOf(source, "factors", about, hashes, changed);
  const sha = await writeAdapter(folder, config, entries, binding);
  return { kind: "factors", path: folder, sha256: sha, changed };
}

/** Writes the file of a sparse patch: for each changed tensor the places, old and new values in the stored dtype. */
export async function writeSparse(
  file: string,
  source: ModelSource,
  merged: (name: string) => Tensor | undefined,
  about: About,
): Promise<PatchInfo> {
  const entries: SafetensorsEntry[] = [];
  const hashes: Record<string, string> = {};
  let changed = 0;
  for (const name of source.names) {
    const pair = merge(source, name, merged);
    if (pair === undefined) continue;
    const { dtype, shape } = source.info(name);
    const found = differences(pair.before, pair.after, dtype);
    if (found.count === 0) continue;
    changed += found.count;
    hashes[name] = sha256(pair.after);
    entries.push(...sparseEntries(name, dtype, shape, pair, found.indices));
  }
  const binding = await bindingOf(source, "sparse", about, hashes, changed);
  await rm(file, { force: true });
  const sha = await writePatchFile(file, entries, binding);
  return { kind: "sparse", path: file, sha256: sha, changed };
}

function sparseEntries(
  name: string,
  dtype: DType,
  shape: readonly number[],
  pair: { before: Uint8Array; after: Uint8Array },
  indices: Uint32Array,
): SafetensorsEntry[] {
  const width = DTYPES[dtype].bytes;
  const size = shape.reduce((a, b) => a * b, 1);
  if (indices.length > size / 2) {
    return [
      { name: `${name}.old`, dtype, shape, bytes: () => pair.before },
      { name: `${name}.new`, dtype, shape, bytes: () => pair.after },
    ];
  }
  const gaps = encodeGaps(indices);
  const [before, after] = [
    gatherBytes(pair.before, indices, width),
    gatherBytes(pair.after, indices, width),
  ];
  return [
    { name: `${name}.index`, dtype: "uint8", shape: [gaps.length], bytes: () => gaps },
    { name: `${name}.old`, dtype, shape: [indices.length], bytes: () => before },
    { name: `${name}.new`, dtype, shape: [indices.length], bytes: () => after },
  ];
}

async function bindingOf(
  source: ModelSource,
  kind: Binding["kind"],
  about: About,
  merged: Record<string, string>,
  changed: number,
): Promise<Binding> {
  return {
    schema: "unrecite/patch/v1",
    kind,
    values: "full",
    ...about,
    base: { ...about.base, tensors: await tensorHashes(source) },
    merged,
    changed,
  };
}
