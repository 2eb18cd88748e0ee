import assert from "node:assert/strict";
import { test } from "node:test";
import { inSight, labelOffsets, tradeoff } from "./tradeoff.ts";

const options = {
  key: "t",
  title: "Course",
  finding: "Found.",
  paths: [
    {
      name: "emso",
      points: [
        [0.1, 1],
        [2, 1.01],
        [3, 1.02],
      ],
    },
    {
      name: "ga",
      points: [
        [0.1, 1],
        [3, 1.021],
      ],
    },
  ],
  landmark: { name: "oracle", point: [2.95, 1.0] },
  target: 2.9,
  budget: 1.05,
  xName: "nats",
  yName: "perplexity",
  format: String,
} as const;

test("every run has its name, both widths are drawn, the target is dashed", () => {
  const drawn = tradeoff(options).text;
  for (const name of ["emso", "ga", "oracle", "nats", "perplexity"]) {
    assert.equal(drawn.split(`>${name}</text>`).length - 1, 2, name); // wide and narrow
  }
  assert.match(drawn, /stroke-dasharray/);
  assert.match(drawn, /aria-label="Course: Found\."/);
});

test("a budget far above the runs is left out, one near them is drawn", () => {
  assert.equal(inSight(1.05, { low: 1, high: 1.02 }), true);
  assert.equal(inSight(2, { low: 1, high: 1.02 }), false);
});

test("names of runs that end close by stand below one another, those further away where they end", () => {
  const span = { x: 4, low: 0, high: 1 };
  // at 100 pixels a unit: ends at 50, 45 and 58 pixels from the top, and one far to the left at 50
  const ends = [
    [3, 0.5],
    [3.2, 0.55],
    [3.1, 0.42],
    [1, 0.5],
  ] as const;
  // from the top: 45 stays, 50 goes to 59, 58 to 73
  const offsets = labelOffsets(ends, span, 100).map((x) => Math.round(x));
  assert.deepEqual(offsets, [9, 0, 15, 0]);
});
