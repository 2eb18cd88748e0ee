import assert from "node:assert/strict";
import { test } from "node:test";
import { tensor, tidy } from "../torch/index.ts";
import type { Goal } from "./level.ts";
import { loadModel } from "../models/index.ts";
import { temporary, tinyModel } from "../../tests/tiny.ts";
import {
  naturalLevels,
  naturalOf,
  naturalRows,
  sharpenings,
  type NaturalLevel,
} from "./natural.ts";

const level = (logProbability: number, entropy = 1): NaturalLevel => ({
  logProbability,
  entropy,
  correct: false,
});
const window = (text: number) => ({ text, ids: [5, 6, 7, 8], suffixStart: 2, scored: [2, 3] });
const near = (a: number, b: number, within = 1e-9) =>
  assert.ok(Math.abs(a - b) <= within, `${a} is not ${b}`);

const goal = (nll: number[], own = true): Goal => {
  const levels = nll.map((x) => ({ accuracy: 0.4, nll: x }));
  const mean = { accuracy: 0.4, nll: nll.reduce((a, b) => a + b, 0) / nll.length };
  return { from: "given", perWindow: levels, mean, ...(own && { own: levels }) };
};

test("a window's targets reach 1.05 of its own nll, and never less than the natural level", () => {
  const tokens = [
    [1, 2, 3],
    [1, 2, 3],
    [2, 3],
  ];
  const levels = [
    [level(-9), level(-1), level(-2)], // the prefix does not count
    [level(-9), level(-3), level(-2)], // a second window of the same text
    [level(-4), level(-4)],
  ];
  const windows = [window(0), window(0), window(1)];
  const s = sharpenings(levels, windows, tokens, goal([3, 4, 2]));
  near(s[0]!, 2.1); // 1.05 · 3 / 1.5
  near(s[1]!, 1.68); // 1.05 · 4 / 2.5
  assert.equal(s[2], 1); // 1.05 · 2 < 4: known less than wanted already
  // one for all where no text has a level of its own: 1.05 · 4 / 3, 4 the wanted mean, 3 the natural one
  for (const one of sharpenings(levels, windows, tokens, goal([4, 4], false))) near(one, 1.4);
});

test("where no scored token is trained, all trained tokens count; the exponent ends at 4", () => {
  assert.deepEqual(sharpenings([[level(0)]], [window(0)], [[1]], goal([0])), [4]);
  const windows = [window(0), window(1)];
  const s = sharpenings([[level(-2)], [level(0)]], windows, [[1], [1]], goal([4, 3]));
  near(s[0]!, 2.1);
  assert.equal(s[1], 4);
});

test("memorised rows go to p_c(y)^s at its entropy; others keep what θ0 says", () => {
  tidy(() => {
    const logits = [
      [6, 1, 0, 0], // p0(y) = .987
      [1, 0, 0, 0], // p0(y) = .475
    ];
    const logProbability = logits.map(
      ([y, ...rest]) => y! - Math.log([y!, ...rest].reduce((a, z) => a + Math.exp(z), 0)),
    );
    const rows = naturalRows(
      [level(Math.log(0.3), 1.2), level(Math.log(0.9))],
      [2, 2],
      {
        logProbability,
        logits: (from, count) =>
          tensor(logits.slice(from, from + count).flat(), { shape: [count, 4] }),
      },
      [0, 0],
    );
    near(rows[0]!.pi, 0.09, 1e-6); // .3²
    assert.ok(rows[0]!.tau > 1);
    near(rows[1]!.pi, Math.exp(logProbability[1]!), 1e-6); // .81 is above .475: not memorised
    assert.equal(rows[1]!.tau, 1);
  });
});

test("levels asked for twice are looked at once, and are those of one pass", async () => {
  const model = await loadModel(await tinyModel(temporary()));
  const windows = [0, 1].map((text) => ({
    text,
    ids: Array.from({ length: 12 }, (_, i) => 97 + ((7 * i + text) % 20)),
    suffixStart: 6,
    scored: [6, 7, 8, 9, 10, 11],
  }));
  const all = windows.map(() => [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  const whole = await naturalLevels(model.arch, model.weights, windows, all);
  const levelsAt = naturalOf(model.arch, model.weights, windows);
  const looked: number[] = [];
  const onRows = (_: number, total: number) => looked.push(total);
  const scored = await levelsAt(
    windows.map((w) => w.scored),
    onRows,
  );
  const rest = await levelsAt(all, onRows);
  assert.deepEqual(looked, [12, 10]);
  await levelsAt(all, onRows);
  assert.equal(looked.length, 2);
  whole.forEach((list, i) =>
    list.forEach((l, k) => near(l.logProbability, rest[i]![k]!.logProbability, 1e-5)),
  );
  assert.deepEqual(scored[1], rest[1]!.slice(5));
  model.dispose();
});
