/**
 * @file Calls operators with seeded arguments, half of them near-valid, and says on stdout which call comes next, so that a
 * death names its culprit. Usage: child.ts SEED CALLS
 */
import { writeSync } from "node:fs";
import { parseSchema, type Arg } from "../../scripts/schema.ts";
import { GUARDED, OPS, type OpName } from "../../src/torch/ops.list.ts";
import type { Tensor } from "../../src/torch/index.ts";
import {
  call,
  disposeAll,
  noGrad,
  rand,
  setMemoryLimit,
  tensor,
  tidy,
  toDType,
} from "../../src/torch/index.ts";
import { native } from "../../src/torch/native.ts";

const [seed, calls] = process.argv.slice(2).map(Number) as [number, number];
const MAX_ELEMENTS = 2 ** 20;

/** Mulberry32: one 32-bit state, so that a seed and a call number say everything. */
function generator(start: number): () => number {
  let a = start >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const names = (Object.keys(OPS) as OpName[]).filter((n) => GUARDED[n] === undefined);
const schemas = new Map(names.map((n) => [n, parseSchema(native().schema(OPS[n])!).args]));
setMemoryLimit(2 ** 30);

type Random = () => number;
const pick = <T>(r: Random, items: readonly T[]): T => items[Math.floor(r() * items.length)]!;
const SIZES = [0, 1, 2, 3, 4, 7, 64];
const ODD: readonly unknown[] = [
  NaN,
  Infinity,
  -1,
  2 ** 31,
  2 ** 53,
  1.5,
  "x",
  "",
  null,
  undefined,
  true,
  [],
  [-1],
  {},
  -(2 ** 63),
];
const DTYPES = ["float32", "float64", "int64", "int32", "bool", "bfloat16", "uint8"] as const;

function someTensor(r: Random): Tensor {
  const shape = Array.from({ length: Math.floor(r() * 4) }, () => pick(r, SIZES));
  while (shape.reduce((a, b) => a * b, 1) > MAX_ELEMENTS) shape.pop();
  return toDType(rand(shape), pick(r, DTYPES));
}

/** A value of the argument's kind; near-valid ones draw small numbers and fitting tensors. */
function valueFor(r: Random, { type }: Arg, near: boolean, pool: Tensor[]): unknown {
  if (!near && r() < 0.3) return pick(r, ODD);
  const base = type.replace(/\?$/, "").replace(/\[\d*\]$/, "");
  const one = (): unknown => {
    if (base.startsWith("Tensor")) {
      return r() < 0.7 && pool.length > 0 ? pick(r, pool) : someTensor(r);
    }
    if (base === "int" || base === "SymInt") {
      return near
        ? Math.floor(r() * 5) - 1
        : Math.floor((r() - 0.5) * 2 ** pick(r, [3, 10, 33, 60]));
    }
    if (base === "float" || base === "Scalar") {
      return near ? r() * 4 - 1 : pick(r, [0, -1, 1e30, NaN, Infinity]);
    }
    if (base === "bool") return r() < 0.5;
    if (base === "ScalarType") return pick(r, DTYPES);
    if (base === "Device") return "cpu";
    if (base === "str") return pick(r, ["none", "tanh", "left", "nope"]);
    return undefined;
  };
  return /\[\d*\]/.test(type) ? Array.from({ length: Math.floor(r() * 4) }, one) : one();
}

let errors = 0;
noGrad(() => {
  for (let i = 0; i < calls; i++) {
    const r = generator(seed * 1_000_003 + i);
    const name = pick(r, names);
    writeSync(1, `${i} ${name}\n`);
    tidy(() => {
      try {
        const near = r() < 0.5;
        const first = near ? someTensor(r) : tensor([1, 2]);
        const args = schemas
          .get(name)!
          .map((a) =>
            a.default !== undefined && r() < 0.6 ? undefined : valueFor(r, a, near, [first]),
          );
        if (!near && r() < 0.1) args.push(1);
        call(name, args);
      } catch {
        errors++;
      }
    });
  }
});
disposeAll([]);
writeSync(1, `done ${errors} errors\n`);
