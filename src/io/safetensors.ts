/**
 * @file Reads and checks the header of a safetensors file: 8 bytes of length, JSON, then the tensors' bytes.
 * Refuses what the format forbids (holes, overlaps, sizes that do not match shapes, duplicate names), so that
 * whatever passes can be mapped and read without another check.
 */
import { open } from "node:fs/promises";
import { inputError, messageOf } from "../base/errors.ts";
import { DTYPES, type DType } from "../torch/dtype.ts";
import { readError } from "./disk-error.ts";
import { duplicateKey, isObject, kindOf, type JsonObject } from "./json.ts";

/** The format's dtypes that we read, with our name for each. */
const STORED: ReadonlyMap<string, DType> = new Map(
  (Object.keys(DTYPES) as DType[]).map((dtype) => [DTYPES[dtype].safetensors, dtype]),
);

/** Where a tensor lies: bytes [begin, end) of `file`, counted from the start of the file. */
export type TensorInfo = {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly file: string;
  readonly begin: number;
  readonly end: number;
};

export type SafetensorsHeader = {
  /** In the order of their bytes. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly metadata: Readonly<Record<string, string>>;
  /** Bytes before the first tensor. */
  readonly dataBegin: number;
};

// The limit of the format's own reader: a longer header is a lie or an attack, not a model.
const MAX_HEADER_BYTES = 100_000_000;
const WAY_OUT = "the file is damaged or not a safetensors file: fetch or save it again";

/** Number of values of a shape. */
export const countOf = (shape: readonly number[]): number => shape.reduce((n, d) => n * d, 1);

/** Reads and checks the header of the safetensors file at `path`. */
export async function readHeader(path: string): Promise<SafetensorsHeader> {
  let file;
  try {
    file = await open(path, "r");
  } catch (error) {
    throw readError(error, path, "a safetensors file");
  }
  try {
    const { size } = await file.stat();
    const length = headerLength(path, await readAt(file, 0, Math.min(8, size)), size);
    return parseHeader(await readAt(file, 8, length), { path, size });
  } catch (error) {
    throw readError(error, path, "a safetensors file");
  } finally {
    await file.close();
  }
}

async function readAt(
  file: Awaited<ReturnType<typeof open>>,
  position: number,
  length: number,
): Promise<Uint8Array> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}

function headerLength(path: string, bytes: Uint8Array, size: number): number {
  if (bytes.length < 8) {
    throw inputError(`${path}: expected at least 8 bytes of safetensors, got ${bytes.length}`, {
      wayOut: WAY_OUT,
    });
  }
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) {
    throw inputError(
      `${path}: expected a header of at most ${MAX_HEADER_BYTES} bytes (the format's limit), got ${length}`,
      { wayOut: WAY_OUT },
    );
  }
  if (length > BigInt(size - 8)) {
    throw inputError(`${path}: expected a header of ${length} bytes, got a file of ${size} bytes`, {
      wayOut: WAY_OUT,
    });
  }
  return Number(length);
}

/** Checks the JSON bytes of a header against the size of its file. */
export function parseHeader(
  bytes: Uint8Array,
  { path, size }: { path: string; size: number },
): SafetensorsHeader {
  const fail = (message: string) => inputError(`${path}: ${message}`, { wayOut: WAY_OUT });
  let text: string;
  let header: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    header = JSON.parse(text);
  } catch (error) {
    throw fail(`expected a header in JSON, got: ${messageOf(error)}`);
  }
  if (!isObject(header)) throw fail(`expected a header object, got ${kindOf(header)}`);
  const twice = duplicateKey(text);
  if (twice !== undefined) {
    throw fail(`expected each name once in the header, got "${twice}" twice`);
  }
  const dataBegin = 8 + bytes.length;
  const { __metadata__: metadata, ...entries } = header;
  const tensors = Object.entries(entries).map(
    ([name, entry]) => [name, parseEntry(name, entry, { path, dataBegin })] as const,
  );
  tensors.sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  checkContiguous(tensors, { path, dataBegin, size });
  return { tensors: new Map(tensors), metadata: parseMetadata(metadata, path), dataBegin };
}

function parseMetadata(metadata: unknown, path: string): Record<string, string> {
  if (metadata === undefined || metadata === null) return {};
  const values = isObject(metadata) ? Object.values(metadata) : [undefined];
  if (values.some((value) => typeof value !== "string")) {
    throw inputError(`${path}: expected __metadata__ to hold strings only`, { wayOut: WAY_OUT });
  }
  return metadata as Record<string, string>;
}

const isSize = (value: unknown): value is number =>
  Number.isSafeInteger(value) && Number(value) >= 0;

function parseEntry(
  name: string,
  entry: unknown,
  { path, dataBegin }: { path: string; dataBegin: number },
): TensorInfo {
  const fail = (expected: string, got: string, wayOut = WAY_OUT) =>
    inputError(`${path}: tensor ${name}: expected ${expected}, got ${got}`, { wayOut });
  const { dtype, shape, data_offsets: offsets }: JsonObject = isObject(entry) ? entry : {};
  const ours = typeof dtype === "string" ? STORED.get(dtype) : undefined;
  if (ours === undefined) {
    throw fail(
      `a dtype of ${[...STORED.keys()].join(", ")}`,
      kindOf(dtype),
      "save the model in one of these dtypes",
    );
  }
  if (!Array.isArray(shape) || !shape.every(isSize)) {
    throw fail("a shape of whole numbers", JSON.stringify(shape) ?? "nothing");
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize)) {
    throw fail("two data_offsets", JSON.stringify(offsets) ?? "nothing");
  }
  const [begin, end] = offsets as [number, number];
  const expected = countOf(shape) * DTYPES[ours].bytes;
  if (end - begin !== expected) {
    throw fail(
      `${expected} bytes (${String(dtype)} of shape [${shape.join(", ")}])`,
      `${end - begin} (data_offsets [${begin}, ${end}])`,
    );
  }
  return { dtype: ours, shape, file: path, begin: dataBegin + begin, end: dataBegin + end };
}

function checkContiguous(
  tensors: (readonly [string, TensorInfo])[],
  { path, dataBegin, size }: { path: string; dataBegin: number; size: number },
): void {
  let next = dataBegin;
  for (const [name, { begin, end }] of tensors) {
    if (begin !== next) {
      const what = begin < next ? "overlaps the tensor before it" : "leaves a hole before it";
      throw inputError(
        `${path}: tensor ${name}: expected data to begin at ${next - dataBegin}, got ${begin - dataBegin} (it ${what})`,
        { wayOut: WAY_OUT },
      );
    }
    next = end;
  }
  if (next !== size) {
    throw inputError(
      `${path}: expected ${next - dataBegin} bytes of tensors, got ${size - dataBegin}`,
      { wayOut: size < next ? "the file is cut short: fetch or save it again" : WAY_OUT },
    );
  }
}
