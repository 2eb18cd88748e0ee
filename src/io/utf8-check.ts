/**
 * @file Finds bytes that are no UTF-8 before any reader meets them, in one fast pass of fixed memory.
 * Names the byte offset and the line, which readers of columns do not.
 */
import { isUtf8 } from "node:buffer";
import { createReadStream } from "node:fs";
import { inputError } from "../base/errors.ts";
import { readError } from "./disk-error.ts";

export const UTF8_WAY_OUT = "convert the file to UTF-8 (for example: iconv -f LATIN1 -t UTF-8)";

/** Refuses a file, called `name` in errors, that is empty or not UTF-8. */
export async function expectUtf8(path: string, { name = path } = {}): Promise<void> {
  let offset = 0;
  let lines = 0;
  let rest: Buffer = Buffer.alloc(0);
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
      const bytes = Buffer.concat([rest, chunk as Buffer]);
      const whole = wholeCharacters(bytes);
      const part = bytes.subarray(0, whole);
      if (!isUtf8(part)) throw badUtf8(name, part, { offset, lines });
      offset += whole;
      lines += countLines(part);
      rest = bytes.subarray(whole);
    }
  } catch (error) {
    throw readError(error, name, "a file of texts", "check the path");
  }
  if (rest.length > 0) throw badUtf8(name, rest, { offset, lines });
  if (offset === 0) {
    throw inputError(`${name}: expected texts, got an empty file`, {
      wayOut: "check the path and what wrote the file",
    });
  }
}

/** Bytes up to the last character that may go on in the next chunk. */
function wholeCharacters(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) return bytes.length;
    if (byte >= 0xc0) {
      const width = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
      return width > back ? bytes.length - back : bytes.length;
    }
  }
  return bytes.length;
}

function countLines(bytes: Uint8Array): number {
  let lines = 0;
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) lines++;
  return lines;
}

function badUtf8(
  name: string,
  bytes: Buffer,
  { offset, lines }: { offset: number; lines: number },
): Error {
  // the longest valid beginning, by halving
  let good = 0;
  let bad = bytes.length + 1;
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    const part = bytes.subarray(0, middle);
    if (isUtf8(part.subarray(0, wholeCharacters(part)))) good = middle;
    else bad = middle;
  }
  const at = wholeCharacters(bytes.subarray(0, good));
  const line = lines + countLines(bytes.subarray(0, at)) + 1;
  const byte = (bytes[at] ?? 0).toString(16).padStart(2, "0");
  return inputError(
    `${name} line ${line}: expected UTF-8, got the byte 0x${byte} at byte ${offset + at} of the file`,
    { wayOut: UTF8_WAY_OUT },
  );
}
