/**
 * @file Where the stored values of two tensors differ, by their bits, and the tensors of a patch file that hold it:
 * `<name>.index` (gaps), `.old` and `.new`; without `.index` the values are those of the whole tensor.
 */
import { DTYPES, type DType } from "../torch/index.ts";
import { encodeGaps } from "./gaps.ts";
import type { Piece } from "./write.ts";

export type Difference = {
  /** Flat indices of values that differ, ascending. */
  readonly indices: Uint32Array;
  readonly count: number;
};

type Cells = Uint8Array | Uint16Array | Uint32Array | BigUint64Array;

function cellsOf(bytes: Uint8Array, dtype: DType): Cells {
  const aligned = bytes.byteOffset % 8 === 0 ? bytes : bytes.slice();
  const { buffer, byteOffset, byteLength } = aligned;
  switch (DTYPES[dtype].bytes) {
    case 1:
      return aligned;
    case 2:
      return new Uint16Array(buffer, byteOffset, byteLength / 2);
    case 4:
      return new Uint32Array(buffer, byteOffset, byteLength / 4);
    case 8:
      return new BigUint64Array(buffer, byteOffset, byteLength / 8);
  }
}

export function differences(before: Uint8Array, after: Uint8Array, dtype: DType): Difference {
  const a = cellsOf(before, dtype);
  const b = cellsOf(after, dtype);
  let count = 0;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) count++;
  const indices = new Uint32Array(count);
  for (let i = 0, at = 0; at < count; i++) if (a[i] !== b[i]) indices[at++] = i;
  return { indices, count };
}

/** A tensor before and after; which of both a patch keeps. */
export type Change = {
  name: string;
  dtype: DType;
  shape: readonly number[];
  before: Uint8Array;
  after: Uint8Array;
};

/**
 * The pieces that hold a change. Whole tensors take over where indices no longer save anything, which is at 8/9 of float32
 * values changed and 4/5 of 16-bit ones: from one half on, old and new values would take up to 16 bytes a changed weight.
 */
export function piecesOf(
  { name, dtype, shape, before, after }: Change,
  keep: readonly ("old" | "new")[] = ["old", "new"],
): { pieces: Piece[]; changed: number } {
  const { indices, count } = differences(before, after, dtype);
  if (count === 0) return { pieces: [], changed: 0 };
  const width = DTYPES[dtype].bytes;
  const values = { old: before, new: after };
  const gaps = encodeGaps(indices);
  if (gaps.length + keep.length * width * count >= keep.length * before.length) {
    const pieces = keep.map((part) => ({
      name: `${name}.${part}`,
      dtype,
      shape,
      bytes: values[part],
    }));
    return { pieces, changed: count };
  }
  const pieces: Piece[] = keep.map((part) => ({
    name: `${name}.${part}`,
    dtype,
    shape: [count],
    bytes: gatherBytes(values[part], indices, width),
  }));
  pieces.push({ name: `${name}.index`, dtype: "uint8", shape: [gaps.length], bytes: gaps });
  return { pieces, changed: count };
}

/** The bytes of the values at these indices, in order. */
export function gatherBytes(bytes: Uint8Array, indices: Uint32Array, width: number): Uint8Array {
  const out = new Uint8Array(indices.length * width);
  for (let i = 0; i < indices.length; i++) {
    const from = indices[i]! * width;
    for (let k = 0; k < width; k++) out[i * width + k] = bytes[from + k]!;
  }
  return out;
}

/** Puts values at these indices, in place. */
export function scatterBytes(
  bytes: Uint8Array,
  indices: Uint32Array,
  values: Uint8Array,
  width: number,
): void {
  for (let i = 0; i < indices.length; i++) {
    const to = indices[i]! * width;
    for (let k = 0; k < width; k++) bytes[to + k] = values[i * width + k]!;
  }
}
