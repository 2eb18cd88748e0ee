import assert from "node:assert/strict";
import { test } from "node:test";
import { memory, tidy } from "../torch/index.ts";
import { temporary, tinyModel } from "../../tests/tiny.ts";
import { hiddenStates, loadModel, stemOf, toBatch } from "./index.ts";

const model = await loadModel(await tinyModel(temporary()));
const { arch, weights } = model;
const rows = [
  [97, 98, 99, 100, 101],
  [102, 103, 104],
  [105, 106, 107, 108],
];
const hidden = (w: typeof weights, list: number[][]) =>
  tidy(() => hiddenStates(arch, w, toBatch(list)).toFloats());
const near = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).forEach((x, i) => assert.ok(Math.abs(x - b[i]!) < 1e-5, `${x} is not ${b[i]}`));

test("what stands on the stem sees what it saw without it, the first time and after", () => {
  const live = memory().liveTensors;
  for (const limit of [1 << 20, 0]) {
    const stem = stemOf(arch, weights, 1, { limit });
    const plain = hidden(weights, rows);
    near(hidden({ ...weights, stem }, rows), plain);
    near(hidden({ ...weights, stem }, rows), plain);
    assert.equal(memory().liveTensors, live + (limit === 0 ? 0 : rows.length));
    stem.dispose();
  }
  assert.equal(memory().liveTensors, live);
});

test("a row's bits do not depend on the rows beside it", () => {
  const rowOf = (list: number[][], at: number) => {
    const stem = stemOf(arch, weights, 1);
    try {
      const all = tidy(() => stem.hidden(toBatch(list))!.toFloats());
      const size = all.length / list.length;
      return Array.from(all.slice(at * size, (at + 1) * size));
    } finally {
      stem.dispose();
    }
  };
  const [a, b, c] = [rows[0]!, rows[0]!.map((id) => id + 3), rows[0]!.map((id) => id + 5)];
  assert.deepEqual(rowOf([a], 0), rowOf([b, a, c], 1));
});

test("padding on the left is not served: the whole model runs", () => {
  const stem = stemOf(arch, weights, 1);
  const batch = () => toBatch(rows, { side: "left" });
  assert.equal(
    tidy(() => stem.hidden(batch()) === undefined),
    true,
  );
  near(
    tidy(() => hiddenStates(arch, { ...weights, stem }, batch()).toFloats()),
    tidy(() => hiddenStates(arch, weights, batch()).toFloats()),
  );
  stem.dispose();
});
