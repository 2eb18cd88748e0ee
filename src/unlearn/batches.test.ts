import assert from "node:assert/strict";
import { test } from "node:test";
import { batchesOf } from "./batches.ts";

const options = { batch: 4, passes: 1, full: 4, seed: 0, epoch: 1 };
const members = (n: number) => Array.from({ length: n }, (_, i) => i);
const sorted = (list: number[]) => [...list].sort((a, b) => a - b);

test("a pass shows every window once, in batches of the size asked for", () => {
  const batches = batchesOf(members(10), options);
  assert.deepEqual(
    batches.map((b) => b.length),
    [4, 4, 2],
  );
  assert.deepEqual(sorted(batches.flat()), members(10));
});

test("each pass has an order of its own, the same for the same seed and epoch", () => {
  const three = { ...options, passes: 3 };
  const batches = batchesOf(members(8), three);
  assert.equal(batches.length, 6);
  assert.notDeepEqual(batches.slice(0, 2), batches.slice(2, 4));
  assert.deepEqual(batches, batchesOf(members(8), three));
  assert.notDeepEqual(batches, batchesOf(members(8), { ...three, epoch: 2 }));
});

test("half a batch or less is passed over at least twice", () => {
  assert.equal(batchesOf(members(3), options).length, 1);
  const few = batchesOf(members(2), options);
  assert.deepEqual(few.map(sorted), [
    [0, 1],
    [0, 1],
  ]);
  assert.equal(batchesOf(members(1), { ...options, passes: 3 }).length, 3);
});
