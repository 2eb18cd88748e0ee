/**
 * @file Writes a model as a Hugging Face directory that transformers loads without a flag: the source's files, sharding and
 * dtypes kept, tensors streamed one at a time, the directory there whole or not at all.
 */
import { copyFile, open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DTYPES, tidy, toCopy, type DType, type Tensor } from "../torch/index.ts";
import { writeFolderAtomic } from "./atomic.ts";
import { INDEX } from "./checkpoint.ts";
import type { ModelSource } from "./model-source.ts";
import { writeSafetensors } from "./safetensors-write.ts";

export type WriteModelOptions = {
  /** New values of a tensor, any floating dtype; undefined keeps the source's bytes. */
  replace?: (name: string) => Tensor | undefined;
  /** Floating tensors are written in this dtype; default: each in its own. */
  dtype?: DType | undefined;
};

/** Writes `source`, some tensors replaced, to the folder `out`, which must be new or empty. */
export async function writeModel(
  out: string,
  source: ModelSource,
  { replace = () => undefined, dtype }: WriteModelOptions = {},
): Promise<void> {
  await writeFolderAtomic(out, async (folder) => {
    const sizes = new Map<string, number>();
    for (const { file, names, metadata } of source.shards) {
      const entries = names.map((name) => {
        const info = source.info(name);
        const stored = dtype !== undefined && DTYPES[info.dtype].floating ? dtype : info.dtype;
        sizes.set(name, info.shape.reduce((a, b) => a * b, 1) * DTYPES[stored].bytes);
        return {
          name,
          dtype: stored,
          shape: info.shape,
          bytes: () => bytesAs(replace(name), source, name, stored),
        };
      });
      await writeSafetensors(join(folder, file), entries, { metadata });
    }
    if (source.shards.length > 1) await writeIndex(folder, source, sizes);
    for (const { name, path, content } of source.sidecars) {
      if (path !== undefined) await copyFile(path, join(folder, name));
      else await writeFile(join(folder, name), content ?? "");
    }
    await setDtype(folder, source, dtype);
  });
}

function bytesAs(
  given: Tensor | undefined,
  source: ModelSource,
  name: string,
  dtype: DType,
): Uint8Array {
  return tidy(() => {
    const tensor = given ?? source.tensor(name);
    return (tensor.dtype === dtype ? tensor : toCopy(tensor, { dtype })).bytes();
  });
}

async function writeIndex(
  folder: string,
  source: ModelSource,
  sizes: ReadonlyMap<string, number>,
): Promise<void> {
  const total = [...sizes.values()].reduce((a, b) => a + b, 0);
  const map = Object.fromEntries(
    source.shards.flatMap(({ file, names }) => names.map((name) => [name, file] as const)),
  );
  await writeFile(
    join(folder, INDEX),
    `${JSON.stringify({ metadata: { total_size: total }, weight_map: map }, null, 2)}\n`,
  );
}

/** config.json names the dtype of the weights: it must not lie about converted ones. */
async function setDtype(
  folder: string,
  source: ModelSource,
  dtype: DType | undefined,
): Promise<void> {
  if (dtype === undefined) return;
  const config = { ...source.config, torch_dtype: dtype };
  if ("dtype" in config) config.dtype = dtype;
  const file = await open(join(folder, "config.json"), "w");
  try {
    await file.writeFile(`${JSON.stringify(config, null, 2)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
}
