/**
 * @file Reads token ids from .npy files (NumPy's format, versions 1 to 3), row by row.
 * Takes two-dimensional uint16, int32, uint32 and int64 arrays in C order, little-endian; refuses the rest.
 */
import { open, type FileHandle } from "node:fs/promises";
import { inputError } from "../base/errors.ts";
import { readError } from "./disk-error.ts";

const READERS = {
  "<u2": { bytes: 2, read: (view: DataView, at: number) => view.getUint16(at, true) },
  "<i4": { bytes: 4, read: (view: DataView, at: number) => view.getInt32(at, true) },
  "<u4": { bytes: 4, read: (view: DataView, at: number) => view.getUint32(at, true) },
  "<i8": { bytes: 8, read: (view: DataView, at: number) => Number(view.getBigInt64(at, true)) },
} as const;

type Header = { type: keyof typeof READERS; rows: number; columns: number; begin: number };

export type TokenRows = { rows: number; columns: number; read: () => AsyncIterable<number[]> };

const RESAVE = "save it with numpy.save(path, numpy.ascontiguousarray(ids, dtype=numpy.int32))";
const ROWS_AT_ONCE = 1024;

/** Opens the (rows, columns) array of token ids at `path`; `read` yields one row at a time. */
export async function openTokenRows(path: string): Promise<TokenRows> {
  const { rows, columns, type, begin } = await withFile(path, (file) => readNpyHeader(file, path));
  const { bytes, read } = READERS[type];
  async function* each(): AsyncIterable<number[]> {
    const file = await open(path, "r");
    try {
      const width = columns * bytes;
      for (let first = 0; first < rows; first += ROWS_AT_ONCE) {
        const count = Math.min(ROWS_AT_ONCE, rows - first);
        const buffer = Buffer.alloc(count * width);
        await file.read(buffer, 0, buffer.length, begin + first * width);
        const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
        for (let row = 0; row < count; row++) {
          yield Array.from({ length: columns }, (_, j) => read(view, row * width + j * bytes));
        }
      }
    } finally {
      await file.close();
    }
  }
  return { rows, columns, read: each };
}

async function withFile<T>(path: string, fn: (file: FileHandle) => Promise<T>): Promise<T> {
  try {
    const file = await open(path, "r");
    try {
      return await fn(file);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw readError(error, path, "a .npy file of token ids", "check the path");
  }
}

async function readNpyHeader(file: FileHandle, path: string): Promise<Header> {
  const fail = (expected: string, got: string) =>
    inputError(`${path}: expected ${expected}, got ${got}`, { wayOut: RESAVE });
  const { size } = await file.stat();
  const head = Buffer.alloc(Math.min(size, 65536));
  await file.read(head, 0, head.length, 0);
  if (size === 0) throw fail("a .npy file of token ids", "an empty file");
  if (head.length < 12 || head.toString("latin1", 0, 6) !== "\x93NUMPY") {
    throw fail("a .npy file (beginning with \\x93NUMPY)", "something else");
  }
  const long = (head[6] ?? 0) >= 2;
  const length = long ? head.readUInt32LE(8) : head.readUInt16LE(8);
  const textBegin = long ? 12 : 10;
  if (textBegin + length > head.length) throw fail(`a header of ${length} bytes`, "a shorter file");
  const text = head.toString("latin1", textBegin, textBegin + length);
  const type = /'descr':\s*'([^']*)'/.exec(text)?.[1] ?? "none";
  const fortran = /'fortran_order':\s*True/.test(text);
  const shape = (/'shape':\s*\(([^)]*)\)/.exec(text)?.[1] ?? "").match(/\d+/g)?.map(Number) ?? [];
  if (!Object.hasOwn(READERS, type)) {
    throw fail("uint16, int32, uint32 or int64 token ids", `dtype ${type}`);
  }
  if (fortran) throw fail("an array in C order", "Fortran order");
  const [rows, columns] = shape;
  if (shape.length !== 2 || rows === undefined || columns === undefined) {
    throw fail("an array of shape (texts, tokens)", `shape (${shape.join(", ")})`);
  }
  if (rows === 0 || columns === 0) throw fail("at least one text", `shape (${rows}, ${columns})`);
  const key = type as keyof typeof READERS;
  const begin = textBegin + length;
  const expected = rows * columns * READERS[key].bytes;
  if (size - begin !== expected) {
    throw fail(`${expected} bytes of ids for shape (${rows}, ${columns})`, `${size - begin}`);
  }
  return { type: key, rows, columns, begin };
}
