/** @file Makes a patch from what an eraser wrote: factors as a LoRA adapter for PEFT, single weights as gaps and values. */
import { modelHash, sha256, type ModelSource } from "../io/index.ts";
import {
  contiguous,
  disposeAll,
  keep,
  t,
  tidy,
  toDType,
  type DType,
  type Tensor,
} from "../torch/index.ts";
import { adapterConfig, LAYER } from "./adapter.ts";
import type { Binding } from "./binding.ts";
import { differences, piecesOf } from "./diff.ts";
import { mergedBytes } from "./merge.ts";
import { writeAdapter, writePatchFile, type Fill } from "./write.ts";

export type PatchInfo = {
  kind: Binding["kind"];
  path: string;
  sha256: string;
  changed: number;
};

/** What a caller knows of a patch besides its tensors. */
export type About = Pick<Binding, "tool" | "method" | "settings" | "texts"> & {
  base: { model: string; tokenizer: string };
};

/** A LoRA layer: y = W x + B (Uᵀ x), u (in, r), b (out, r). */
export type Factor = { readonly u: Tensor; readonly b: Tensor };

/** Tensors that were changed, by the hash of their bytes after it, and how many values differ. */
export type Added = Pick<Binding, "merged" | "changed">;
type Add = Parameters<Fill>[0];

type FactorOptions = { dtype?: DType; transposed?: boolean };

/**
 * Writes the directory that PEFT loads: lora_A = Uᵀ (r, in), lora_B = B (out, r), alpha = r so that the scale is 1. The merged
 * weights are made of the factors as they are stored, in `dtype`. `transposed`: the model stores its weights as (in, out).
 */
export async function writeFactors(
  folder: string,
  source: ModelSource,
  factors: ReadonlyMap<string, Factor>,
  about: About,
  { dtype = "float32", transposed = false }: FactorOptions = {},
): Promise<PatchInfo> {
  const ranks = new Map(sorted(factors).map(([name, { b }]) => [name, b.shape[1]!]));
  const config = adapterConfig(ranks, source.names, { base: about.base.model, transposed });
  let changed = 0;
  const sha = await writeAdapter(folder, config, async (add) => {
    const added = await addFactors(add, source, factors, { dtype, transposed });
    changed = added.changed;
    const rank = Math.max(...ranks.values());
    const extra = { rank, ...(transposed && { transposed }) };
    return { ...(await bindingOf(source, "factors", about, added)), ...extra };
  });
  return { kind: "factors", path: folder, sha256: sha, changed };
}

const sorted = (factors: ReadonlyMap<string, Factor>): [string, Factor][] =>
  [...factors].sort(([a], [b]) => (a < b ? -1 : 1));

/** Adds the factors of every layer to a patch file. */
export async function addFactors(
  add: Add,
  source: ModelSource,
  factors: ReadonlyMap<string, Factor>,
  { dtype = "float32", transposed = false }: FactorOptions = {},
): Promise<Added> {
  const merged: Record<string, string> = {};
  let changed = 0;
  for (const [layer, { u, b }] of sorted(factors)) {
    const name = `${layer}.weight`;
    const [down, up] = tidy(() => [
      keep(toDType(contiguous(t(u)), dtype)),
      keep(toDType(contiguous(b), dtype)),
    ]);
    try {
      await add({ name: LAYER.down(layer), dtype, shape: down.shape, bytes: down.bytes() });
      await add({ name: LAYER.up(layer), dtype, shape: up.shape, bytes: up.bytes() });
      const stored = tidy(() => source.tensor(name).bytes());
      const after = factorBytes(source, name, { down, up, transposed });
      changed += differences(stored, after, source.info(name).dtype).count;
      merged[name] = sha256(after);
    } finally {
      disposeAll([down, up]);
    }
  }
  return { merged, changed };
}

/** The bytes of a weight with its factors merged: lora_A (r, in) and lora_B (out, r). */
export const factorBytes = (
  source: ModelSource,
  name: string,
  { down, up, transposed }: { down: Tensor; up: Tensor; transposed: boolean },
): Uint8Array =>
  tidy(() =>
    transposed
      ? mergedBytes(source.tensor(name), contiguous(t(down)), contiguous(t(up)))
      : mergedBytes(source.tensor(name), up, down),
  );

/**
 * Writes the file of a sparse patch: for each tensor that `merged` gives and that differs, the places, old and new values in the
 * stored dtype.
 */
export async function writeSparse(
  file: string,
  source: ModelSource,
  merged: (name: string) => Tensor | undefined,
  about: About,
): Promise<PatchInfo> {
  let changed = 0;
  const sha = await writePatchFile(file, async (add) => {
    const added = await addSparse(add, source, merged);
    changed = added.changed;
    return bindingOf(source, "sparse", about, added);
  });
  return { kind: "sparse", path: file, sha256: sha, changed };
}

/** Adds the changed values of every tensor to a patch file, with or without the old ones. */
export async function addSparse(
  add: Add,
  source: ModelSource,
  merged: (name: string) => Tensor | undefined,
  parts: readonly ("old" | "new")[] = ["old", "new"],
): Promise<Added> {
  const hashes: Record<string, string> = {};
  let total = 0;
  for (const name of source.names) {
    const { dtype, shape } = source.info(name);
    const pair = tidy(() => {
      const value = merged(name);
      if (value === undefined) return undefined;
      return { before: source.tensor(name).bytes(), after: toDType(value, dtype).bytes() };
    });
    if (pair === undefined) continue;
    const { pieces, changed } = piecesOf({ name, dtype, shape, ...pair }, parts);
    if (changed === 0) continue;
    total += changed;
    hashes[name] = sha256(pair.after);
    for (const piece of pieces) await add(piece);
  }
  return { merged: hashes, changed: total };
}

/** The hash of a whole model, see `modelHash`, from the hashes of its tensors. */
export const hashFrom = (source: ModelSource, hashes: Readonly<Record<string, string>>): string =>
  modelHash(
    source.names.map((name) => {
      const { dtype, shape } = source.info(name);
      return { name, dtype, shape, sha256: hashes[name]! };
    }),
    source.config,
  );

/** Everything that ties a patch to its base: hashes of all its tensors and of the result. */
export async function bindingOf(
  source: ModelSource,
  kind: Binding["kind"],
  { base, ...about }: About,
  { merged, changed }: Added,
): Promise<Binding> {
  const tensors: Record<string, string> = {};
  for (const name of source.names) tensors[name] = await source.tensorHash(name);
  return {
    schema: "unrecite/patch/v1",
    kind,
    values: "full",
    ...about,
    base: { ...base, sha256: hashFrom(source, tensors), tensors },
    merged,
    result: hashFrom(source, { ...tensors, ...merged }),
    changed,
  };
}
