/** @file Where the stored values of two tensors differ, by their bits. */
import { DTYPES, type DType } from "../torch/index.ts";

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
