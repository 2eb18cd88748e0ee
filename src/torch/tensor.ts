/**
 * @file A tensor: an integer handle into the addon's table, with an owner. Owners: the innermost `tidy` scope, or whoever
 * called `keep`; a tensor made outside any scope is freed by the garbage collector at the latest.
 */
import { computeDevice } from "./device.ts";
import { DTYPES, type DType } from "./dtype.ts";
import { native } from "./native.ts";
import { adopt, forget } from "./scope.ts";

export class Tensor {
  readonly handle: number;
  /** True once an owner outside the scopes has taken it; see `keep`. */
  kept = false;
  #shape: readonly number[] | undefined;
  #dtype: DType | undefined;

  /** Only `made` constructs: a handle must have exactly one Tensor. */
  constructor(handle: number) {
    this.handle = handle;
  }
  get shape(): readonly number[] {
    return (this.#shape ??= native().shape(this.handle));
  }
  get dtype(): DType {
    return (this.#dtype ??= native().dtype(this.handle) as DType);
  }
  get device(): string {
    return native().device(this.handle);
  }
  /** Number of elements. */
  get size(): number {
    return this.shape.reduce((product, n) => product * n, 1);
  }
  /** False after dispose. */
  get isLive(): boolean {
    return native().live(this.handle);
  }
  dispose(): void {
    native().free(this.handle);
    forget(this);
  }
  [Symbol.dispose](): void {
    this.dispose();
  }
  /** The one value of a tensor of one element. */
  item(): number {
    if (this.size !== 1) {
      throw new RangeError(`item: expected one element, got shape [${this.shape.join(", ")}]`);
    }
    return this.dtype === "float32" ||
      this.dtype === "float64" ||
      this.dtype === "bfloat16" ||
      this.dtype === "float16"
      ? this.toFloats()[0]!
      : this.toInts()[0]!;
  }
  /** Raw little-endian bytes, contiguous, copied. */
  bytes(): Uint8Array {
    const out = new Uint8Array(this.size * DTYPES[this.dtype].bytes);
    native().readInto(this.handle, out);
    return out;
  }
  /** Values of a floating tensor, copied; float16 and bfloat16 are widened exactly. */
  toFloats(): Float32Array | Float64Array {
    if (this.dtype === "float64") return new Float64Array(this.bytes().buffer);
    if (this.dtype === "float32") return new Float32Array(this.bytes().buffer);
    return widened(this, "float32", (bytes) => new Float32Array(bytes.buffer));
  }
  /** Values of an integer or boolean tensor as numbers, copied. */
  toInts(): number[] {
    if (this.dtype === "int64") return Array.from(new BigInt64Array(this.bytes().buffer), Number);
    return widened(this, "int64", (bytes) => Array.from(new BigInt64Array(bytes.buffer), Number));
  }
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.isLive ? `Tensor(${this.dtype}[${this.shape.join(", ")}])` : "Tensor(disposed)";
  }
}

let toCopyId: number | undefined;
const copied = (handle: number, dtype?: DType, device?: string): number =>
  native().call(
    (toCopyId ??= native().open("aten::_to_copy")),
    handle,
    dtype,
    undefined,
    device,
  ) as number;

/** Takes a tensor of the host to the device; the host's is freed. */
function moved(host: number): Tensor {
  try {
    return made(copied(host, undefined, computeDevice()));
  } finally {
    native().free(host);
  }
}

/** Converts without leaving a second tensor behind. */
function widened<T>(tensor: Tensor, dtype: DType, read: (bytes: Uint8Array) => T): T {
  const addon = native();
  const copy = copied(tensor.handle, dtype);
  try {
    const bytes = new Uint8Array(tensor.size * DTYPES[dtype].bytes);
    addon.readInto(copy, bytes);
    return read(bytes);
  } finally {
    addon.free(copy);
  }
}

/** Wraps a fresh handle and gives it to the innermost scope. */
export function made(handle: number): Tensor {
  const tensor = new Tensor(handle);
  adopt(tensor);
  return tensor;
}

/** A tensor on the host with a copy of `bytes` (little-endian, contiguous). */
export function fromBytes(bytes: Uint8Array, shape: readonly number[], dtype: DType): Tensor {
  return made(native().fromBytes(bytes, shape, dtype));
}

const ARRAYS = {
  float32: Float32Array,
  float64: Float64Array,
  int32: Int32Array,
  int16: Int16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const;

/** These values, where the process computes; shape defaults to one dimension. */
export function tensor(
  values: ArrayLike<number>,
  { shape = [values.length], dtype = "float32" }: { shape?: readonly number[]; dtype?: DType } = {},
): Tensor {
  const array =
    dtype === "int64"
      ? BigInt64Array.from({ length: values.length }, (_, i) => BigInt(values[i]!))
      : dtype === "float16" || dtype === "bfloat16"
        ? undefined
        : ARRAYS[dtype].from(values);
  if (array === undefined) {
    throw new RangeError(`tensor: expected a dtype that JavaScript can hold, got ${dtype}`);
  }
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  const host = native().fromBytes(bytes, shape, dtype);
  return computeDevice() === "cpu" ? made(host) : moved(host);
}
