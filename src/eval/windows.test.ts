import assert from "node:assert/strict";
import { test } from "node:test";
import { tokensInSpans, wholeCut, windowsOf, type TokenCut } from "./windows.ts";

const ids = (n: number) => Array.from({ length: n }, (_, i) => 100 + i);
const cut = (n: number, options: Partial<Parameters<typeof windowsOf>[1]> = {}) =>
  windowsOf({ ids: ids(n) }, { text: 0, prefix: 10, suffix: 10, ...options });

for (const length of [8, 9, 19, 20, 21, 30, 37, 100]) {
  test(`every token behind the prefix of a text of ${length} is scored exactly once`, () => {
    const scored = cut(length).flatMap((w) => w.scored.map((i) => w.ids[i]!));
    const prefix = length < 20 ? Math.floor(length / 2) : 10;
    assert.deepEqual(scored, ids(length).slice(prefix));
  });
}

test("fewer than 8 tokens give no window", () => {
  assert.deepEqual(cut(7), []);
});

test("the last window keeps a whole prefix and scores what is left", () => {
  const last = cut(25).at(-1)!;
  assert.deepEqual([last.ids[0], last.suffixStart, last.scored.length], [110, 10, 5]);
});

test("no window of less than half a suffix: a single token says nothing of reciting", () => {
  for (const [length, scored] of [
    [20, [10]],
    [21, [6, 5]],
    [24, [7, 7]],
    [25, [10, 5]],
    [34, [10, 7, 7]],
    [100, [10, 10, 10, 10, 10, 10, 10, 10, 10]],
  ] as const) {
    const lengths = cut(length).map((w) => w.scored.length);
    assert.deepEqual(lengths, scored, `${length} tokens`);
  }
});

test("text that is scored whole keeps its windows as long as they go", () => {
  const lengthsOf = (length: number, how: TokenCut) => cut(length, how).map((w) => w.scored.length);
  assert.deepEqual(lengthsOf(27, wholeCut(11)), [10, 10, 6]);
  assert.deepEqual(lengthsOf(22, wholeCut(11)), [10, 10, 1]);
  assert.deepEqual(lengthsOf(22, { prefix: 1, suffix: 10 }), [10, 6, 5]); // one token given is another thing
});

test("BOS stands in front, outside the prefix, and is never scored", () => {
  const [first] = cut(20, { bos: 1 });
  assert.deepEqual([first!.ids[0], first!.suffixStart, first!.scored[0]], [1, 11, 11]);
});

test("a given suffix is the split", () => {
  const [only, ...rest] = windowsOf(
    { ids: ids(30), suffixFrom: 25 },
    { text: 0, prefix: 10, suffix: 10 },
  );
  assert.deepEqual([only!.ids.length, only!.suffixStart, rest.length], [30, 25, 0]);
});

test("spans restrict scoring to the tokens that overlap them", () => {
  const inSpan = tokensInSpans(
    [
      { start: 0, end: 2 },
      { start: 2, end: 5 },
      { start: 5, end: 6 },
    ],
    [{ start: 4, end: 6 }],
  );
  assert.deepEqual(inSpan, [false, true, true]);
  const flags = ids(20).map((_, i) => i === 12 || i === 3);
  const windows = windowsOf({ ids: ids(20), inSpan: flags }, { text: 0, prefix: 10, suffix: 10 });
  assert.deepEqual(
    windows.map((w) => w.scored),
    [[12]],
  );
});
