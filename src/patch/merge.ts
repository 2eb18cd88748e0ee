/**
 * @file W + B·A with the same bits on every processor. Float32 products depend on the order of a sum and on fused
 * multiply-adds, so a patch made on one machine would be refused on another. Here both factors are cut into slices of whole
 * numbers so short that a float64 product of them has nothing to round, in whatever order it is summed.
 */
import { inputError } from "../base/errors.ts";
import {
  add,
  cat,
  DTYPES,
  fromBytes,
  matmul,
  mul,
  mulScalar,
  narrow,
  noGrad,
  tidy,
  toDType,
  type Tensor,
} from "../torch/index.ts";

/** Values of W in work at a time: bounds memory, whatever the size of W. */
const BLOCK = 1 << 22;

/** A factor as high + low, whole numbers of `bits` bits, in units of 2^(exponent - bits) and 2^(exponent - 2 bits). */
type Slices = { high: Float64Array; low: Float64Array; scale: Float64Array };

/** A matrix row-major, its lines (rows or columns) scaled one by one. */
type Matrix = { values: ArrayLike<number>; rows: number; columns: number };

const power = (n: number): number =>
  new Float64Array(Uint32Array.of(0, (n + 1023) << 20).buffer)[0]!;

/** Bits of a slice: two of them multiplied and summed over `rank` fit into the 53 of a float64. */
export const sliceBits = (rank: number): number =>
  Math.floor((53 - Math.ceil(Math.log2(rank))) / 2);

function slices({ values, rows, columns }: Matrix, by: "row" | "column", bits: number): Slices {
  const lines = by === "row" ? rows : columns;
  const largest = new Float32Array(lines);
  const lineOf = (i: number) => (by === "row" ? Math.floor(i / columns) : i % columns);
  for (let i = 0; i < values.length; i++) {
    const size = Math.abs(values[i]!);
    if (!Number.isFinite(size)) {
      throw inputError(`factors: expected finite values, got ${values[i]} at ${i}`, {
        wayOut: "erase with a smaller --lr",
      });
    }
    if (size > largest[lineOf(i)]!) largest[lineOf(i)] = size;
  }
  // the exponent field of a float32: every value of the line is below 2^exponent
  const fields = new Uint32Array(largest.buffer);
  const exponents = Array.from(fields, (field) => Math.max(field >>> 23, 1) - 126);
  const up = Float64Array.from(exponents, (e) => power(bits - e));
  const unit = power(bits);
  const high = new Float64Array(values.length);
  const low = new Float64Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const scaled = values[i]! * up[lineOf(i)]!;
    high[i] = Math.round(scaled);
    low[i] = Math.round((scaled - high[i]!) * unit);
  }
  return { high, low, scale: Float64Array.from(exponents, (e) => power(e)) };
}

const doubles = (values: Float64Array, shape: readonly number[]): Tensor =>
  fromBytes(new Uint8Array(values.buffer), shape, "float64");

/**
 * The bytes of `weight` (n, m) + `left` (n, r) · `right` (r, m), rounded once to the weight's dtype. The factors count as
 * float32; the product is exact to 2^-40 of the largest term.
 */
export function mergedBytes(weight: Tensor, left: Tensor, right: Tensor): Uint8Array {
  const [n = 0, m = 0] = weight.shape;
  const rank = left.shape[1] ?? 0;
  if (left.shape[0] !== n || right.shape[0] !== rank || right.shape[1] !== m) {
    throw inputError(
      `factors: expected shapes [${n}, r] and [r, ${m}], got [${left.shape.join(", ")}] and [${right.shape.join(", ")}]`,
      { wayOut: "use the patch with the model it was made for" },
    );
  }
  const bits = sliceBits(rank);
  const l = slices({ values: left.toFloats(), rows: n, columns: rank }, "row", bits);
  const r = slices({ values: right.toFloats(), rows: rank, columns: m }, "column", bits);
  const out = new Uint8Array(n * m * DTYPES[weight.dtype].bytes);
  noGrad(() =>
    tidy(() => {
      const [rightHigh, rightLow] = [doubles(r.high, [rank, m]), doubles(r.low, [rank, m])];
      const crossed = cat([rightLow, rightHigh]);
      const columns = doubles(r.scale, [1, m]);
      const step = Math.max(1, Math.floor(BLOCK / m));
      for (let at = 0; at < n; at += step) {
        const rows = Math.min(step, n - at);
        const part = (values: Float64Array) =>
          doubles(values.slice(at * rank, (at + rows) * rank), [rows, rank]);
        const bytes = tidy(() => {
          const [high, low] = [part(l.high), part(l.low)];
          const first = mulScalar(matmul(high, rightHigh), power(bits));
          const second = matmul(cat([high, low], { dim: 1 }), crossed);
          const scale = doubles(l.scale.slice(at, at + rows), [rows, 1]);
          const units = mulScalar(add(first, second), power(-3 * bits));
          const change = mul(mul(units, scale), columns);
          const base = toDType(narrow(weight, 0, at, rows), "float64");
          return toDType(add(base, change), weight.dtype).bytes();
        });
        out.set(bytes, at * m * DTYPES[weight.dtype].bytes);
      }
    }),
  );
  return out;
}
