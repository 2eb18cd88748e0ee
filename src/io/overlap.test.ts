import assert from "node:assert/strict";
import { test } from "node:test";
import { findOverlaps } from "./overlap.ts";

const range = (start: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => start + i);

test("finds identical texts and the longest shared run, from both sides", () => {
  const forget = [
    { id: "f1", tokens: range(0, 30) },
    { id: "f2", tokens: range(100, 30) },
  ];
  const kept = [
    { id: "k1", tokens: [...range(900, 5), ...range(110, 12), ...range(950, 5)] },
    { id: "k2", tokens: range(0, 30) },
    { id: "k3", tokens: range(500, 7) },
  ];
  const { identical, runs } = findOverlaps({ forget, kept });
  assert.deepEqual(identical, [{ a: { set: "forget", id: "f1" }, b: { set: "kept", id: "k2" } }]);
  assert.deepEqual(runs, [
    { set: "forget", id: "f1", start: 0, length: 30, with: { set: "kept", id: "k2", start: 0 } },
    { set: "forget", id: "f2", start: 10, length: 12, with: { set: "kept", id: "k1", start: 5 } },
    { set: "kept", id: "k1", start: 5, length: 12, with: { set: "forget", id: "f2", start: 10 } },
    { set: "kept", id: "k2", start: 0, length: 30, with: { set: "forget", id: "f1", start: 0 } },
  ]);
});

test("seven tokens, runs inside one set and boilerplate do not count", () => {
  const header = range(0, 10);
  const text = (id: string, at: number) => ({ id, tokens: [...header, ...range(at, 20)] });
  const forget = [
    text("f1", 1000),
    text("f2", 2000),
    { id: "f3", tokens: [...range(3000, 10), ...range(7000, 7)] },
  ];
  const kept = [text("k1", 4000), { id: "k2", tokens: [...range(7000, 7), ...range(5000, 10)] }];
  assert.deepEqual(findOverlaps({ forget, kept }), { identical: [], runs: [] });
  assert.deepEqual(findOverlaps({ forget: [forget[0]!, text("f4", 1000)], kept: [] }).runs, []);
});

test("agrees with comparing everything with everything", () => {
  let state = 7;
  const random = (below: number) =>
    ((state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 8) % below;
  const make = (set: string) =>
    Array.from({ length: 12 }, (_, i) => ({
      id: `${set}${i}`,
      tokens: Array.from({ length: 30 }, () => random(2)),
    }));
  const sets = { a: make("a"), b: make("b"), c: make("c") };
  const all = Object.entries(sets).flatMap(([set, texts]) =>
    texts.map((text) => ({
      set,
      ...text,
      windows: range(0, 23).map((i) => text.tokens.slice(i, i + 8).join()),
    })),
  );
  const count = (window: string) => all.filter(({ windows }) => windows.includes(window)).length;
  const expected = new Set(
    all.flatMap((x) =>
      all
        .filter(
          (y) =>
            y.set !== x.set &&
            x.windows.some(
              (w) => y.windows.includes(w) && !(count(w) > 2 && 2 * count(w) >= all.length),
            ),
        )
        .map((y) => `${x.set}/${x.id} ${y.set}`),
    ),
  );
  const got = findOverlaps(sets).runs;
  assert.deepEqual(new Set(got.map((r) => `${r.set}/${r.id} ${r.with.set}`)), expected);
});

test("a thousand long texts take no time to speak of", () => {
  const make = (set: string, first: number) =>
    Array.from({ length: 500 }, (_, i) => ({
      id: `${set}${i}`,
      tokens: range(first + i * 1000, 400),
    }));
  const start = performance.now();
  assert.deepEqual(findOverlaps({ a: make("a", 0), b: make("b", 1_000_000) }), {
    identical: [],
    runs: [],
  });
  assert.ok(performance.now() - start < 5000);
});
