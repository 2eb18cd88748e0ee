/**
 * @file Writes a model again with some tensors changed. A directory's files are copied, those that belong to a model, and values
 * rewritten at their offsets: headers and everything else stay byte for byte. Of a .gguf, the directory made of it is written.
 */
import { constants, copyFile, chmod, open, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { INDEX, SINGLE } from "../io/checkpoint.ts";
import { writeCheckpoint, writeFolderAtomic, type ModelSource } from "../io/index.ts";
import { fromBytes, type Tensor } from "../torch/index.ts";

export type Rewrite = {
  /** Names of the tensors that change. */
  names: readonly string[];
  bytesOf: (name: string) => Uint8Array;
  signal?: AbortSignal | undefined;
};

/** Writes `source` to the new or empty directory `out`, one tensor in memory at a time. */
export function rewriteModel(source: ModelSource, out: string, change: Rewrite): Promise<void> {
  return source.placeOf === undefined
    ? writeConverted(source, out, change)
    : writeFolderAtomic(out, (folder) => copyAndRewrite(source, folder, change));
}

async function writeConverted(
  source: ModelSource,
  out: string,
  { names, bytesOf, signal }: Rewrite,
): Promise<void> {
  const changed = new Set(names);
  let last: Tensor | undefined;
  const tensor = (name: string): Tensor | undefined => {
    signal?.throwIfAborted();
    last?.dispose();
    last = undefined;
    if (!changed.has(name)) return undefined;
    const { shape, dtype } = source.info(name);
    return (last = fromBytes(bytesOf(name), shape, dtype));
  };
  try {
    await writeCheckpoint(out, source, { tensor });
  } finally {
    last?.dispose();
  }
}

async function copyAndRewrite(
  source: ModelSource,
  folder: string,
  { names, bytesOf, signal }: Rewrite,
): Promise<void> {
  const shards = new Set(source.shards.map(({ file }) => file));
  const index = shards.has(SINGLE) ? [] : [INDEX];
  for (const file of [...shards, ...index, ...source.sideFiles.map(({ name }) => name)]) {
    signal?.throwIfAborted();
    await copyOwn(join(source.path, file), join(folder, file));
  }
  for (const file of shards) {
    const handle = await open(join(folder, file), "r+");
    try {
      for (const name of names) {
        const place = source.placeOf!(name);
        if (basename(place.file) !== file) continue;
        signal?.throwIfAborted();
        await writeAt(handle, bytesOf(name), place.begin);
      }
    } finally {
      await handle.close();
    }
  }
}

/** Follows links, as those of the hub's cache. */
async function copyOwn(from: string, to: string): Promise<void> {
  await copyFile(from, to, constants.COPYFILE_FICLONE);
  const { mode } = await stat(to);
  await chmod(to, mode | 0o600);
}

async function writeAt(
  handle: Awaited<ReturnType<typeof open>>,
  bytes: Uint8Array,
  begin: number,
): Promise<void> {
  // one call moves at most 2 GiB
  for (let at = 0; at < bytes.length;) {
    const length = Math.min(bytes.length - at, 1 << 30);
    at += (await handle.write(bytes, at, length, begin + at)).bytesWritten;
  }
}
