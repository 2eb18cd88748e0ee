import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test as nodeTest } from "node:test";
import { fromBytes, tensor, tidy, toDType } from "../torch/index.ts";
import { randomIntegers } from "../base/random.ts";
import { sha256 } from "../io/index.ts";
import { mergedBytes, sliceBits } from "./merge.ts";

// the last test imports this file in a process with other instruction sets, for its `probe` alone
const test = (name: string, check: () => void): void => {
  if (process.env["PROBE"] === undefined) void nodeTest(name, check);
};

const values = (name: string, count: number): Float32Array =>
  Float32Array.from(randomIntegers(name, 1 << 24, count), (x) => (x / (1 << 23) - 1) / 8);

const merged = (n: number, m: number, r: number, dtype: "float32" | "bfloat16" = "float32") =>
  tidy(() => {
    const weight = toDType(tensor(values("w", n * m), { shape: [n, m] }), dtype);
    const left = tensor(values("l", n * r), { shape: [n, r] });
    return mergedBytes(weight, left, tensor(values("r", r * m), { shape: [r, m] }));
  });

/** Hash of one merge. */
export const probe = (): string => sha256(merged(256, 192, 64));

test("W + B·A is the true sum, rounded once", () => {
  const [n, m, r] = [13, 17, 5];
  const got = new Float32Array(merged(n, m, r).buffer);
  const [w, l, a] = [values("w", n * m), values("l", n * r), values("r", r * m)];
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < m; j++) {
      let sum = 0;
      for (let k = 0; k < r; k++) sum += l[i * r + k]! * a[k * m + j]!;
      assert.equal(got[i * m + j], Math.fround(w[i * m + j]! + sum), `at ${i}, ${j}`);
    }
  }
});

test("slices are short enough for a float64 sum without rounding", () => {
  for (const rank of [1, 2, 3, 64, 1000, 1024, 4096]) {
    const bits = sliceBits(rank);
    assert.ok(rank * 2 ** (2 * bits) <= 2 ** 53 && bits >= 16, `rank ${rank}: ${bits} bits`);
  }
});

test("values of very different sizes, zeros and subnormals keep their place", () => {
  const left = [1e30, 1e-30, 0, 1e-44];
  const got = tidy(() =>
    mergedBytes(
      tensor([0, 0, 0, 0], { shape: [4, 1] }),
      tensor(left, { shape: [4, 1] }),
      tensor([2], { shape: [1, 1] }),
    ),
  );
  assert.deepEqual(
    [...new Float32Array(got.buffer)],
    left.map((x) => Math.fround(2 * Math.fround(x))),
  );
});

test("factors that are not finite, or of another shape, are refused", () => {
  const of = (l: number[], m = 1) =>
    tidy(() =>
      mergedBytes(
        tensor(new Array(m).fill(0), { shape: [1, m] }),
        tensor(l, { shape: [1, 1] }),
        tensor([1], { shape: [1, 1] }),
      ),
    );
  assert.throws(() => of([NaN]), /expected finite values/);
  assert.throws(() => of([Infinity]), /expected finite values/);
  assert.throws(() => of([1], 2), /expected shapes \[1, r\] and \[r, 2\]/);
});

test("blocks do not show", () => {
  // more values than one block holds
  const [n, m, r] = [2100, 2048, 2];
  const whole = merged(n, m, r, "bfloat16");
  const l = values("l", n * r);
  const last = tidy(() => {
    const weight = toDType(tensor(values("w", n * m), { shape: [n, m] }), "bfloat16").bytes();
    const row = fromBytes(weight.slice(-2 * m), [1, m], "bfloat16");
    const right = tensor(values("r", r * m), { shape: [r, m] });
    return mergedBytes(row, tensor(l.slice(-r), { shape: [1, r] }), right);
  });
  assert.deepEqual(whole.slice(-2 * m), last);
});

test("other instructions give the same bits", () => {
  const expected = probe();
  const code = `import(${JSON.stringify(import.meta.url)}).then((m) => process.stdout.write(m.probe()))`;
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ["--import", "tsx", "--input-type=module", "-e", code],
    {
      encoding: "utf8",
      env: { ...process.env, MKL_CBWR: "COMPATIBLE", ATEN_CPU_CAPABILITY: "default", PROBE: "1" },
    },
  );
  assert.equal(status, 0, stderr);
  assert.equal(stdout, expected);
});
