import assert from "node:assert/strict";
import { test } from "node:test";
import { inSight, tradeoff } from "./tradeoff.ts";

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
  target: 2.9,
  budget: 1.05,
  xName: "nats",
  yName: "perplexity",
  format: String,
} as const;

test("every run has its name, both widths are drawn, the target is dashed", () => {
  const drawn = tradeoff(options).text;
  for (const name of ["emso", "ga", "nats", "perplexity"]) {
    assert.equal(drawn.split(`>${name}</text>`).length - 1, 2, name); // wide and narrow
  }
  assert.match(drawn, /stroke-dasharray/);
  assert.match(drawn, /aria-label="Course: Found\."/);
});

test("a budget far above the runs is left out, one near them is drawn", () => {
  assert.equal(inSight(1.05, { low: 1, high: 1.02 }), true);
  assert.equal(inSight(2, { low: 1, high: 1.02 }), false);
});
