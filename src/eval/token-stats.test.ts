import assert from "node:assert/strict";
import { test } from "node:test";
import { batchesOf, readingsOf } from "./token-stats.ts";

test("equal lengths fill batches of the size asked for", () => {
  const batches = batchesOf(new Array<number>(40).fill(64), 16);
  assert.deepEqual(
    batches.map((b) => b.length),
    [16, 16, 8],
  );
});

test("a long window does not pad short ones: at most 15 % of a large batch is padding", () => {
  const lengths = Array.from({ length: 100 }, (_, i) => 10 + ((i * 37) % 246));
  const batches = batchesOf(lengths, 16);
  assert.deepEqual(
    batches.flat().sort((a, b) => a - b),
    lengths.map((_, i) => i),
  );
  for (const batch of batches) {
    const width = Math.max(...batch.map((i) => lengths[i]!));
    const tokens = batch.reduce((sum, i) => sum + lengths[i]!, 0);
    const positions = width * batch.length;
    assert.ok(positions <= 512 || tokens >= 0.85 * positions, `${tokens} of ${positions}`);
  }
});

test("few rows share a batch whatever their lengths: small products cost more than padding", () => {
  assert.equal(batchesOf([100, 8, 8, 8], 16).length, 1);
});

test("answers of one token behind one context are one reading; what reads more is another", () => {
  const window = (ids: number[], suffixStart: number) => ({
    text: 0,
    ids,
    suffixStart,
    scored: ids.map((_, i) => i).slice(suffixStart),
  });
  const windows = [
    window([1, 2, 3], 2),
    window([1, 2, 4, 5], 2),
    window([1, 2, 6], 2),
    window([12, 6], 1),
  ];
  assert.deepEqual(
    readingsOf(windows).map(({ ids, of }) => [ids, of.map(({ index }) => index)]),
    [
      [
        [1, 2],
        [0, 2],
      ],
      [[1, 2, 4], [1]],
      [[12], [3]],
    ],
  );
});
