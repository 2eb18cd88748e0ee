import assert from "node:assert/strict";
import { test } from "node:test";
import { dealt, dosesOf } from "./doses.ts";

test("texts are dealt to doses in equal groups, by the seed", () => {
  const dose = dealt(10, [1, 2, 4], 0);
  const sizes = [1, 2, 4].map((d) => dose.filter((x) => x === d).length);
  assert.deepEqual(sizes, [4, 3, 3]);
  assert.deepEqual(dealt(10, [1, 2, 4], 0), dose);
  assert.notDeepEqual(dealt(10, [1, 2, 4], 1), dose);
  assert.deepEqual(dealt(3, [2], 0), [2, 2, 2]);
  assert.throws(() => dealt(4, [1, 2, 1], 0), /--repeats: expected each number once, got 1 twice/);
  assert.throws(() => dealt(2, [1, 2, 4], 0), /expected a text or more for each of 3 doses, got 2/);
});

test("each dose has the means over its own texts, without those that were skipped", () => {
  const row = (exact_match: number, memorization_accuracy: number, suffix_nll: number) => ({
    exact_match,
    memorization_accuracy,
    suffix_nll,
  });
  const rows = [row(1, 1, 0.25), row(0, 0.5, 3), null, row(0, 0.75, 0.75), row(0, 0.25, 5)];
  assert.deepEqual(dosesOf([4, 1, 1, 4, 1], { rows }), [
    { repeats: 1, texts: 2, recited: 0, memorization_accuracy: 0.375, suffix_nll: 4 },
    { repeats: 4, texts: 2, recited: 1, memorization_accuracy: 0.875, suffix_nll: 0.5 },
  ]);
});
