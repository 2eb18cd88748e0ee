/**
 * @file Dequantises the block formats of GGUF to float32, bit for bit like the `gguf` Python package: every product and sum
 * is rounded to float32 as NumPy does it.
 */
type BlockFormat = {
  readonly name: string;
  /** Values and bytes of a block. */
  readonly values: number;
  readonly bytes: number;
  readonly decode: (bytes: DataView, out: Float32Array) => void;
};

/** IEEE half to float, by table: 65,536 entries are quicker than arithmetic per value. */
const HALF = Float32Array.from({ length: 65536 }, (_, bits) => {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return (
    sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15))
  );
});

/** Calls `block` with the byte and value offset of each block. */
function eachBlock(
  out: Float32Array,
  bytes: number,
  values: number,
  block: (at: number, to: number) => void,
): void {
  for (let at = 0, to = 0; to < out.length; at += bytes, to += values) block(at, to);
}

const FORMATS: Readonly<Record<number, BlockFormat>> = {
  0: {
    name: "F32",
    values: 1,
    bytes: 4,
    decode: (view, out) =>
      out.set(
        new Float32Array(view.buffer.slice(view.byteOffset, view.byteOffset + 4 * out.length)),
      ),
  },
  1: {
    name: "F16",
    values: 1,
    bytes: 2,
    decode: (view, out) =>
      eachBlock(out, 2, 1, (at, to) => (out[to] = HALF[view.getUint16(at, true)]!)),
  },
  2: {
    name: "Q4_0",
    values: 32,
    bytes: 18,
    decode: (view, out) =>
      eachBlock(out, 18, 32, (at, to) => {
        const d = HALF[view.getUint16(at, true)]!;
        for (let j = 0; j < 16; j++) {
          const byte = view.getUint8(at + 2 + j);
          out[to + j] = d * ((byte & 15) - 8);
          out[to + 16 + j] = d * ((byte >> 4) - 8);
        }
      }),
  },
  3: {
    name: "Q4_1",
    values: 32,
    bytes: 20,
    decode: (view, out) =>
      eachBlock(out, 20, 32, (at, to) => {
        const d = HALF[view.getUint16(at, true)]!;
        const m = HALF[view.getUint16(at + 2, true)]!;
        for (let j = 0; j < 16; j++) {
          const byte = view.getUint8(at + 4 + j);
          out[to + j] = Math.fround(d * (byte & 15)) + m;
          out[to + 16 + j] = Math.fround(d * (byte >> 4)) + m;
        }
      }),
  },
  8: {
    name: "Q8_0",
    values: 32,
    bytes: 34,
    decode: (view, out) =>
      eachBlock(out, 34, 32, (at, to) => {
        const d = HALF[view.getUint16(at, true)]!;
        for (let j = 0; j < 32; j++) out[to + j] = d * view.getInt8(at + 2 + j);
      }),
  },
  30: {
    name: "BF16",
    values: 1,
    bytes: 2,
    decode(view, out) {
      const bits = new Uint32Array(out.buffer, out.byteOffset, out.length);
      eachBlock(out, 2, 1, (at, to) => (bits[to] = view.getUint16(at, true) << 16));
    },
  },
};

/** The format of a GGML type number, or undefined when it is not read. */
export const blockFormat = (type: number): BlockFormat | undefined => FORMATS[type];

export const BLOCK_FORMATS: readonly string[] = Object.values(FORMATS).map((f) => f.name);

/** float32 values of a whole tensor from its blocks. */
export function dequantise(format: BlockFormat, bytes: Uint8Array, count: number): Float32Array {
  const out = new Float32Array(count);
  format.decode(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), out);
  return out;
}
