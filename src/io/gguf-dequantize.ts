/**
 * @file Turns the blocks of GGUF tensors into float32, bit for bit as the `gguf` Python package does.
 * A block of Q4_0, Q4_1 or Q8_0 holds 32 values: a half-precision scale (and minimum), then the quants;
 * of 4-bit quants, byte i holds value i in its low half and value i + 16 in its high half.
 */

type Type = {
  name: string;
  /** Values in a block. */
  block: number;
  /** Bytes of a block. */
  bytes: number;
  into: (out: Float32Array, bytes: DataView) => void;
};

/** The types that we read, by their number in the file. */
export const GGUF_TYPES: ReadonlyMap<number, Type> = new Map([
  [0, { name: "F32", block: 1, bytes: 4, into: f32 }],
  [1, { name: "F16", block: 1, bytes: 2, into: f16 }],
  [2, { name: "Q4_0", block: 32, bytes: 18, into: q4_0 }],
  [3, { name: "Q4_1", block: 32, bytes: 20, into: q4_1 }],
  [8, { name: "Q8_0", block: 32, bytes: 34, into: q8_0 }],
  [30, { name: "BF16", block: 1, bytes: 2, into: bf16 }],
]);

/** The float32 values of the blocks in `bytes`. */
export function dequantize(bytes: Uint8Array, type: Type): Float32Array {
  const out = new Float32Array((bytes.length / type.bytes) * type.block);
  type.into(out, new DataView(bytes.buffer, bytes.byteOffset, bytes.length));
  return out;
}

// Values are moved as bits where they are only widened, so that NaNs keep theirs.
const bitsOf = (out: Float32Array): Uint32Array => new Uint32Array(out.buffer);

function f32(out: Float32Array, bytes: DataView): void {
  const bits = bitsOf(out);
  for (let i = 0; i < bits.length; i++) bits[i] = bytes.getUint32(4 * i, true);
}

function f16(out: Float32Array, bytes: DataView): void {
  const bits = bitsOf(out);
  const wide = bitsOf(HALF);
  for (let i = 0; i < bits.length; i++) bits[i] = wide[bytes.getUint16(2 * i, true)] ?? 0;
}

function bf16(out: Float32Array, bytes: DataView): void {
  const bits = bitsOf(out);
  for (let i = 0; i < bits.length; i++) bits[i] = bytes.getUint16(2 * i, true) << 16;
}

// In all three, scale × quant is exact in double, and so is the sum: storing to float32 rounds once, as NumPy does.
function q4_0(out: Float32Array, bytes: DataView): void {
  for (let i = 0, at = 0; i < out.length; i += 32, at += 18) {
    const scale = half(bytes.getUint16(at, true));
    for (let j = 0; j < 16; j++) {
      const pair = bytes.getUint8(at + 2 + j);
      out[i + j] = scale * ((pair & 15) - 8);
      out[i + j + 16] = scale * ((pair >> 4) - 8);
    }
  }
}

function q4_1(out: Float32Array, bytes: DataView): void {
  for (let i = 0, at = 0; i < out.length; i += 32, at += 20) {
    const scale = half(bytes.getUint16(at, true));
    const minimum = half(bytes.getUint16(at + 2, true));
    for (let j = 0; j < 16; j++) {
      const pair = bytes.getUint8(at + 4 + j);
      out[i + j] = scale * (pair & 15) + minimum;
      out[i + j + 16] = scale * (pair >> 4) + minimum;
    }
  }
}

function q8_0(out: Float32Array, bytes: DataView): void {
  for (let i = 0, at = 0; i < out.length; i += 32, at += 34) {
    const scale = half(bytes.getUint16(at, true));
    for (let j = 0; j < 32; j++) out[i + j] = scale * bytes.getInt8(at + 2 + j);
  }
}

/** The 65,536 half-precision values, widened. */
const HALF = (() => {
  const values = new Float32Array(65536);
  const bits = bitsOf(values);
  for (let h = 0; h < 65536; h++) {
    const sign = (h & 0x8000) << 16;
    const exponent = (h >> 10) & 31;
    const fraction = h & 1023;
    if (exponent === 0) values[h] = (sign === 0 ? 1 : -1) * fraction * 2 ** -24;
    else bits[h] = sign | ((exponent === 31 ? 255 : exponent + 112) << 23) | (fraction << 13);
  }
  return values;
})();

const half = (bits: number): number => HALF[bits] ?? 0;
