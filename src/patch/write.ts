/**
 * @file Writes the files of a patch with one tensor in memory at a time. A safetensors header comes first and needs all sizes,
 * so values wait in a nameless file beside the target: a kill at any point leaves nothing of them.
 */
import { existsSync } from "node:fs";
import { open, rm, type FileHandle } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import { basename, dirname, join, resolve } from "node:path";
import { inputError } from "../base/errors.ts";
import {
  makeFolder,
  sha256,
  writeError,
  writeFileAtomic,
  writeFolderAtomic,
  writeSafetensors,
  type SafetensorsEntry,
} from "../io/index.ts";
import type { DType } from "../torch/index.ts";
import { sealed, type Binding, type TensorDigest } from "./binding.ts";
import { ADAPTER_CONFIG, ADAPTER_FILE } from "./format.ts";

export type Piece = { name: string; dtype: DType; shape: readonly number[]; bytes: Uint8Array };

/** Takes the tensors one by one and returns what is known when all are there. */
export type Fill = (add: (piece: Piece) => Promise<void>) => Promise<Binding>;

/** Refuses a file that exists: what it holds may be the only way back. */
export function expectNewFile(path: string): void {
  if (!existsSync(path)) return;
  throw inputError(`${path}: expected a new file, got one that exists`, {
    wayOut: "choose another path, or move away what is there",
  });
}

type WriteOptions = {
  /** The texts of files next to it that the hash covers. */
  beside?: readonly string[];
  signal?: AbortSignal | undefined;
};

/** Writes one patch file, tensor by tensor until `signal` ends it and takes all back. Returns the hash. */
export async function writePatchFile(
  file: string,
  fill: Fill,
  { beside = [], signal }: WriteOptions = {},
): Promise<string> {
  const spool = await openSpool(file);
  const digests: TensorDigest[] = [];
  const entries: SafetensorsEntry[] = [];
  let end = 0;
  try {
    const binding = await fill(async ({ bytes, ...tensor }) => {
      signal?.throwIfAborted();
      const begin = end;
      await append(spool, bytes);
      end += bytes.length;
      digests.push({ ...tensor, sha256: sha256(bytes) });
      const { length } = bytes; // alone: a closure over the bytes would keep those of all tensors in memory
      const read = () => {
        signal?.throwIfAborted();
        return readAt(spool, begin, length);
      };
      entries.push({ ...tensor, bytes: read });
    });
    const { metadata, hash } = sealed(binding, beside, digests);
    await writeSafetensors(file, entries, { metadata });
    return hash;
  } catch (error) {
    throw writeError(error, file);
  } finally {
    await spool.close();
  }
}

async function openSpool(file: string): Promise<FileHandle> {
  const target = resolve(file);
  const path = hidden(target, "spool");
  try {
    makeFolder(dirname(target));
    const spool = await open(path, "wx+", 0o600);
    await rm(path);
    return spool;
  } catch (error) {
    throw writeError(error, file);
  }
}

// one call moves at most 2 GiB
const STEP = 1 << 30;

async function append(spool: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    at += (await spool.write(bytes, at, Math.min(STEP, bytes.length - at))).bytesWritten;
  }
}

async function readAt(spool: FileHandle, begin: number, length: number): Promise<Uint8Array> {
  const out = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const { bytesRead } = await spool.read(out, at, Math.min(STEP, length - at), begin + at);
    if (bytesRead === 0) break;
    at += bytesRead;
  }
  return out;
}

/** Writes an adapter directory, which must be new or empty. */
export async function writeAdapter(folder: string, config: object, fill: Fill): Promise<string> {
  const text = `${JSON.stringify(config, null, 2)}\n`;
  let hash = "";
  await writeFolderAtomic(folder, async (temporary) => {
    await writeFileAtomic(join(temporary, ADAPTER_CONFIG), text);
    hash = await writePatchFile(join(temporary, ADAPTER_FILE), fill, { beside: [text] });
  });
  return hash;
}

const hidden = (target: string, ending: string): string =>
  join(dirname(target), `.${basename(target)}.${randomBytes(6).toString("hex")}.${ending}`);
