/** @file What io's tests share: temporary folders, a tiny byte-level tokenizer, GGUF and .npy bytes. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after } from "node:test";
import { bpeTokenizerJson, PRE_TOKENIZERS } from "../src/io/bpe-json.ts";
import { BYTE_CHARACTERS } from "../src/io/byte-level.ts";

/** A folder that is removed after the tests; `put` writes a file in it and gives its path. */
export function temporaryFolder(): {
  folder: string;
  put: (name: string, content: string | Uint8Array) => string;
} {
  const folder = mkdtempSync(join(tmpdir(), "unrecite-test-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const put = (name: string, content: string | Uint8Array): string => {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    return path;
  };
  return { folder, put };
}

/** The message that `act` throws or rejects with, with `folder` cut out of it. */
export async function messageFrom(act: () => unknown, folder = ""): Promise<string> {
  try {
    await act();
  } catch (error) {
    const { message } = error as Error;
    return folder === "" ? message : message.replaceAll(`${folder}/`, "");
  }
  throw new Error("expected a failure");
}

export const TINY_TOKENS: readonly string[] = [
  "<|end|>",
  ...BYTE_CHARACTERS,
  "he",
  "ll",
  "Ġhe",
  "hell",
];
export const TINY_MERGES: readonly string[] = ["h e", "l l", "Ġ he", "he ll"];

/** A tokenizer.json of 256 bytes, four merges and one special token. */
export const tinyTokenizer = (pre = "gpt-2", { bos = false } = {}): string =>
  JSON.stringify(
    bpeTokenizerJson({
      vocab: new Map(TINY_TOKENS.map((token, id) => [token, id])),
      merges: TINY_MERGES,
      added: [{ id: 0, content: "<|end|>", special: true }],
      preTokenizer: PRE_TOKENIZERS[pre] ?? {},
      bos: bos ? { id: 0, content: "<|end|>" } : undefined,
    }),
  );

export type GgufTensor = {
  name: string;
  type: number;
  shape: readonly number[];
  bytes: Uint8Array;
};
type Value = string | number | boolean | readonly string[] | readonly number[];

/** The bytes of a GGUF file (version 3); numbers that are whole become uint32, others float32. */
export function ggufBytes(
  metadata: Readonly<Record<string, Value>>,
  tensors: readonly GgufTensor[],
): Buffer {
  const parts: Buffer[] = [];
  const u32 = (n: number) => parts.push(Buffer.from(Uint32Array.of(n).buffer));
  const u64 = (n: number) => parts.push(Buffer.from(BigUint64Array.of(BigInt(n)).buffer));
  const text = (s: string) => {
    u64(Buffer.byteLength(s));
    parts.push(Buffer.from(s));
  };
  const typed = (value: Value): void => {
    if (typeof value === "string") {
      u32(8);
      text(value);
    } else if (typeof value === "boolean") {
      u32(7);
      parts.push(Buffer.from([Number(value)]));
    } else if (typeof value === "number") {
      u32(Number.isInteger(value) ? 4 : 6);
      if (Number.isInteger(value)) u32(value);
      else parts.push(Buffer.from(Float32Array.of(value).buffer));
    } else {
      u32(9);
      u32(typeof value[0] === "string" ? 8 : 5);
      u64(value.length);
      for (const item of value) {
        if (typeof item === "string") text(item);
        else u32(item);
      }
    }
  };
  parts.push(Buffer.from("GGUF"));
  u32(3);
  u64(tensors.length);
  u64(Object.keys(metadata).length);
  for (const [key, value] of Object.entries(metadata)) {
    text(key);
    typed(value);
  }
  let offset = 0;
  const aligned = (n: number) => Math.ceil(n / 32) * 32;
  for (const { name, type, shape, bytes } of tensors) {
    text(name);
    u32(shape.length);
    for (const size of [...shape].reverse()) u64(size);
    u32(type);
    u64(offset);
    offset += aligned(bytes.length);
  }
  const head = Buffer.concat(parts);
  const padded = (bytes: Uint8Array) =>
    Buffer.concat([bytes, Buffer.alloc(aligned(bytes.length) - bytes.length)]);
  return Buffer.concat([padded(head), ...tensors.map(({ bytes }) => padded(bytes))]);
}

/** The bytes of a .npy file. */
export function npyBytes(
  descr: string,
  shape: readonly number[],
  values: ArrayBufferView,
  { fortran = false } = {},
): Buffer {
  const dict = `{'descr': '${descr}', 'fortran_order': ${fortran ? "True" : "False"}, 'shape': (${shape.join(", ")}${shape.length === 1 ? "," : ""}), }`;
  const header = dict.padEnd(Math.ceil((dict.length + 11) / 64) * 64 - 11) + "\n";
  const length = Buffer.from(Uint16Array.of(header.length).buffer);
  const data = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  return Buffer.concat([
    Buffer.from("\x93NUMPY\x01\x00", "latin1"),
    length,
    Buffer.from(header),
    data,
  ]);
}
