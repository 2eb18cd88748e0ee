/** @file SHA-256 of files, bytes and tensors, in hex; files are read in pieces. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import type { Tensor } from "../torch/index.ts";
import { readError } from "./disk-error.ts";

/** The SHA-256 of a string (as UTF-8) or of bytes. */
export const sha256 = (content: string | Uint8Array): string =>
  createHash("sha256").update(content).digest("hex");

/** The SHA-256 of texts behind a salt: who does not have it cannot check a guess of a text. */
export const saltedSha256 =
  (salt: Uint8Array) =>
  (content: string): string =>
    createHash("sha256").update(salt).update(content).digest("hex");

/** The SHA-256 of a tensor's values in its dtype, row-major; shape and dtype are not part of it. */
export const sha256OfTensor = (tensor: Tensor): string => sha256(tensor.bytes());

/** The SHA-256 of the bytes [begin, end) of a file. */
export async function sha256OfFile(
  path: string,
  { begin = 0, end = Infinity }: { begin?: number; end?: number } = {},
): Promise<string> {
  const hash = createHash("sha256");
  await updateFromFile(hash, path, { begin, end });
  return hash.digest("hex");
}

/** Feeds the bytes [begin, end) of a file to `hash`. */
export async function updateFromFile(
  hash: { update(bytes: Uint8Array): unknown },
  path: string,
  { begin, end }: { begin: number; end: number },
): Promise<void> {
  if (end <= begin) return;
  try {
    // createReadStream's `end` is inclusive
    const stream = createReadStream(path, { start: begin, end: end - 1, highWaterMark: 1 << 20 });
    for await (const chunk of stream) hash.update(chunk as Uint8Array);
  } catch (error) {
    throw readError(error, path, "a readable file");
  }
}
