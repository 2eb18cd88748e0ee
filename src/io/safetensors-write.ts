/**
 * @file Writes safetensors files, one tensor in memory at a time, atomically.
 * Same entries, same bytes: metadata is sorted by key, tensors by the size of a value (so that each is aligned),
 * then in the order given.
 */
import type { FileHandle } from "node:fs/promises";
import { inputError } from "../base/errors.ts";
import { DTYPES, type DType } from "../torch/dtype.ts";
import { writeAtomic } from "./atomic.ts";
import { countOf } from "./safetensors.ts";

export type SafetensorsEntry = {
  name: string;
  dtype: DType;
  shape: readonly number[];
  /** The values, row-major and little-endian; asked for once, when it is this tensor's turn. */
  bytes: () => Uint8Array | Promise<Uint8Array>;
};

/** The 8 bytes of length and the JSON of a header, padded with spaces to a multiple of 8 bytes. */
export function headerOf(
  entries: readonly Pick<SafetensorsEntry, "name" | "dtype" | "shape">[],
  { metadata = {} }: { metadata?: Readonly<Record<string, string>> } = {},
): Uint8Array {
  const header = new Map<string, unknown>();
  const sorted = Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1));
  if (sorted.length > 0) header.set("__metadata__", Object.fromEntries(sorted));
  let begin = 0;
  for (const { name, dtype, shape } of entries) {
    if (header.has(name)) {
      throw inputError(`safetensors: expected each name once, got ${name} twice`);
    }
    const end = begin + countOf(shape) * DTYPES[dtype].bytes;
    header.set(name, { dtype: DTYPES[dtype].safetensors, shape, data_offsets: [begin, end] });
    begin = end;
  }
  // not Object.fromEntries: names like "1" would jump to the front
  const parts = [...header].map(
    ([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`,
  );
  const json = Buffer.from(`{${parts.join(",")}}`);
  const length = Math.ceil(json.length / 8) * 8;
  const bytes = Buffer.alloc(8 + length, " ");
  bytes.writeBigUInt64LE(BigInt(length));
  json.copy(bytes, 8);
  return bytes;
}

/** Writes `entries` to `path`; each tensor's bytes must be as many as its shape and dtype say. */
export async function writeSafetensors(
  path: string,
  entries: readonly SafetensorsEntry[],
  { metadata = {} }: { metadata?: Readonly<Record<string, string>> } = {},
): Promise<void> {
  const ordered = [...entries].sort((a, b) => DTYPES[b.dtype].bytes - DTYPES[a.dtype].bytes);
  const header = headerOf(ordered, { metadata });
  await writeAtomic(path, async (file) => {
    await writeAll(file, header);
    for (const { name, dtype, shape, bytes } of ordered) {
      const values = await bytes();
      const expected = countOf(shape) * DTYPES[dtype].bytes;
      if (values.length !== expected) {
        throw inputError(
          `${path}: tensor ${name}: expected ${expected} bytes, got ${values.length} to write`,
        );
      }
      await writeAll(file, values);
    }
  });
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  // one write() moves at most 2 GiB
  const step = 1 << 30;
  for (let at = 0; at < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, at, Math.min(step, bytes.length - at));
    at += bytesWritten;
  }
}
