/**
 * @file Writes a model as a directory that transformers loads without a flag, whole or not at all.
 * Same file names, same tensors in each, same header metadata as the source; dtypes too, unless another is asked for.
 */
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { inputError } from "../base/errors.ts";
import { DTYPES, tidy, toDType, type DType, type Tensor } from "../torch/index.ts";
import { writeFileAtomic, writeFolderAtomic, writeJsonAtomic } from "./atomic.ts";
import { INDEX } from "./checkpoint.ts";
import type { JsonObject } from "./json.ts";
import type { ModelSource } from "./model-source.ts";
import { countOf } from "./safetensors.ts";
import { writeSafetensors, type SafetensorsEntry } from "./safetensors-write.ts";

export type WriteCheckpointOptions = {
  /** New values of a tensor, asked for in a scope: freed behind the call unless kept; undefined takes the source's. */
  tensor?: (name: string) => Tensor | undefined;
  /** The dtype of all floating tensors, instead of the source's. */
  dtype?: DType;
  /** Entries added to the header metadata of each file. */
  metadata?: Readonly<Record<string, string>>;
};

/** Writes `source`, with new values where `tensor` gives them, to the directory `dir`, which must be new or empty. */
export async function writeCheckpoint(
  dir: string,
  source: ModelSource,
  { tensor = () => undefined, dtype, metadata = {} }: WriteCheckpointOptions = {},
): Promise<void> {
  const dtypeOf = (name: string): DType => {
    const stored = source.info(name).dtype;
    return dtype !== undefined && DTYPES[stored].floating ? dtype : stored;
  };
  const entryOf = (name: string): SafetensorsEntry => ({
    name,
    dtype: dtypeOf(name),
    shape: source.info(name).shape,
    bytes: () => bytesOf(source, name, { given: tensor, dtype: dtypeOf(name) }),
  });
  await writeFolderAtomic(dir, async (folder) => {
    for (const { file, names, metadata: kept } of source.shards) {
      const merged = { format: "pt", ...kept, ...metadata };
      await writeSafetensors(join(folder, file), names.map(entryOf), { metadata: merged });
    }
    if (source.shards.length > 1) await writeIndex(folder, source, dtypeOf);
    for (const file of source.sideFiles) {
      const target = join(folder, file.name);
      if (file.name === "config.json") {
        await writeJsonAtomic(target, configFor(source.config, dtype));
      } else if ("path" in file) await copyFile(file.path, target);
      else await writeFileAtomic(target, file.content);
    }
  });
}

function bytesOf(
  source: ModelSource,
  name: string,
  { given, dtype }: { given: (name: string) => Tensor | undefined; dtype: DType },
): Uint8Array {
  return tidy(() => {
    const values = given(name) ?? source.tensor(name);
    const { shape } = source.info(name);
    if (values.shape.join() !== shape.join()) {
      throw inputError(
        `${name}: expected new values of shape [${shape.join(", ")}], got [${values.shape.join(", ")}]`,
      );
    }
    return (values.dtype === dtype ? values : toDType(values, dtype)).bytes();
  });
}

async function writeIndex(
  folder: string,
  source: ModelSource,
  dtypeOf: (name: string) => DType,
): Promise<void> {
  const files = new Map(
    source.shards.flatMap(({ file, names }) => names.map((name) => [name, file] as const)),
  );
  const total = source.names.reduce(
    (sum, name) => sum + countOf(source.info(name).shape) * DTYPES[dtypeOf(name)].bytes,
    0,
  );
  await writeJsonAtomic(join(folder, INDEX), {
    metadata: { total_size: total },
    weight_map: Object.fromEntries(source.names.map((name) => [name, files.get(name)])),
  });
}

/** The config, with the dtype it tells readers to load changed when another was written. */
function configFor(config: JsonObject, dtype: DType | undefined): JsonObject {
  if (dtype === undefined) return config;
  const keys = ["torch_dtype", "dtype"].filter((key) => Object.hasOwn(config, key));
  const set = keys.length === 0 ? ["torch_dtype"] : keys;
  return { ...config, ...Object.fromEntries(set.map((key) => [key, dtype])) };
}
