import assert from "node:assert/strict";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import {
  add,
  add_,
  call,
  disposeAll,
  dropPages,
  embedding,
  fromBytes,
  grad,
  keep,
  mapFile,
  matmul,
  memory,
  mul,
  multinomial,
  noGrad,
  ones,
  requiresGrad,
  setMemoryLimit,
  sum,
  tensor,
  tidy,
  zeros,
  Tensor,
  fusedAdamW_,
  attention,
  indexAdd_,
} from "./index.ts";

const vector = (...values: number[]) => tensor(values);
const ids = (...values: number[]) => tensor(values, { dtype: "int64" });

test("tidy frees what it does not return, and nothing else", () => {
  const live = memory().liveTensors;
  const out = tidy(() => {
    const a = vector(1, 2);
    const held = keep(add(a, a));
    return { kept: held, list: [mul(a, a)] };
  });
  assert.equal(memory().liveTensors, live + 2);
  disposeAll(out);
  assert.equal(memory().liveTensors, live);
});

test("an error inside a scope frees its tensors", () => {
  const live = memory().liveTensors;
  assert.throws(
    () => tidy(() => matmul(vector(1, 2), zeros([3, 3]))),
    /aten::matmul\(f32\[2\], f32\[3,3\]\): /,
  );
  assert.equal(memory().liveTensors, live);
});

test("scopes refuse to be held across an await", () => {
  assert.throws(() => tidy(() => Promise.resolve(1)), /tidy: expected a synchronous function/);
  assert.throws(() => noGrad(() => Promise.resolve(1)), /noGrad: expected a synchronous function/);
});

test("a disposed tensor is an exception, wherever it is used", () => {
  const a = vector(1);
  a.dispose();
  assert.throws(() => add(a, a), /expected a live tensor, got a disposed or unknown handle/);
  assert.throws(() => a.shape, /expected a live tensor/);
  assert.equal(a.isLive, false);
});

test("wrong kinds, counts and numbers are exceptions with the argument's name", () => {
  tidy(() => {
    const a = vector(1, 2);
    assert.throws(() => call("add", [a, "x"]), /other: expected number, got string/);
    assert.throws(() => call("add", [a, new Tensor(12345)]), /expected a live tensor/);
    assert.throws(() => call("add", [a]), /other: expected Tensor, got undefined/);
    assert.throws(() => call("narrow", [a, 0.5, 0, 1]), /dim: expected an integer, got 0.5/);
    assert.throws(() => call("add", [a, a, 1, 2, 3]), /expected at most 3 arguments, got 5/);
    assert.throws(() => call("ad", [a]), /unknown operator "ad". Did you mean add\?/);
    assert.throws(() => call("zeros", [[2], "float31"]), /expected one of float32/);
  });
});

test("in-place operators hand back the tensor they were given", () => {
  tidy(() => {
    const a = vector(1, 2);
    assert.equal(add_(a, a), a);
    assert.deepEqual([...a.toFloats()], [2, 4]);
  });
});

test("gradients of chosen inputs, null for one that takes no part", () => {
  tidy(() => {
    const [x, y] = [requiresGrad(vector(1, 2, 3)), requiresGrad(vector(5))];
    const [gx, gy] = grad([sum(mul(x, x))], [x, y]);
    assert.deepEqual([...gx!.toFloats()], [2, 4, 6]);
    assert.equal(gy, null);
  });
});

test("guarded operators check first", () => {
  tidy(() => {
    const table = zeros([4, 2]);
    assert.throws(
      () => embedding(table, ids(1, 4)),
      /embedding: expected indices in \[0, 4\), got 4/,
    );
    assert.throws(() => embedding(table, ids(-1)), /got -1/);
    assert.throws(
      () => indexAdd_(table, 0, ids(9), ones([1, 2])),
      /indexAdd_: expected indices in \[0, 4\), got 9/,
    );
    assert.throws(() => multinomial(zeros([1, 3])), /rows of finite weights with a positive sum/);
    assert.throws(
      () => attention(zeros([1, 1, 0, 4]), ones([1, 1, 1, 4]), ones([1, 1, 1, 4])),
      /without empty sizes/,
    );
    const state = {
      params: [vector(1)],
      grads: [vector(1, 2)],
      means: [vector(0)],
      squares: [vector(0)],
      steps: [zeros([])],
    };
    assert.throws(
      () => fusedAdamW_(state, { lr: 1, beta1: 0.9, beta2: 0.9, weightDecay: 0, eps: 1e-8 }),
      /fusedAdamW_: expected float32\[1\], got float32\[2\]/,
    );
    assert.throws(() => call("embedding", [table, ids(0)]), /expected a call through guarded.ts/);
  });
});

test("--memory is our error, and the process goes on", () => {
  const { liveBytes } = memory();
  setMemoryLimit(liveBytes + 1_000_000);
  try {
    assert.throws(() => zeros([1_000_000]), {
      code: "OOM",
      message: /expected tensors within \d+ bytes/,
    });
    tidy(() => zeros([1000]));
  } finally {
    setMemoryLimit(0);
  }
});

test("bytes in must be as many as shape and dtype say; half types come out as floats", () => {
  assert.throws(
    () => fromBytes(new Uint8Array(3), [1], "float32"),
    /expected 4 bytes for f32\[1\], got 3/,
  );
  tidy(() =>
    assert.deepEqual([...fromBytes(Uint8Array.of(0x80, 0x3f), [1], "bfloat16").toFloats()], [1]),
  );
});

test("pages of a mapped tensor that were let go come back from the file", () => {
  const folder = mkdtempSync(join(tmpdir(), "unrecite-map-"));
  try {
    const path = join(folder, "weights.bin");
    const values = Float32Array.from({ length: 1 << 16 }, (_, i) => i);
    writeFileSync(path, new Uint8Array(values.buffer));
    const map = mapFile(path);
    const rows = map.tensor(4, [(1 << 16) - 1], "float32"); // begins and ends inside a page
    dropPages(rows);
    assert.deepEqual(rows.toFloats(), values.subarray(1));
    const own = tensor([1, 2]);
    dropPages(own); // not mapped: nothing happens
    assert.deepEqual([...own.toFloats()], [1, 2]);
    disposeAll([rows, own]);
    map.close();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("a mapped file that shrinks is an error that names it", () => {
  const folder = mkdtempSync(join(tmpdir(), "unrecite-map-"));
  try {
    const path = join(folder, "weights.bin");
    writeFileSync(path, new Uint8Array(1 << 20));
    const map = mapFile(path);
    const mapped = map.tensor(0, [1 << 18], "float32");
    truncateSync(path, 4096);
    assert.throws(() => sum(mapped), {
      code: "MAPPED",
      message: /weights\.bin: the file became shorter while it was in use/,
    });
    assert.throws(() => map.tensor(0, [1 << 20], "float32"), /expected bytes within/);
    mapped.dispose();
    map.close();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
