import assert from "node:assert/strict";
import { test } from "node:test";
import { meanOf, perText, quantile, summarise } from "../summary.ts";
import type { TokenStats } from "../token-stats.ts";
import { METRIC_NAMES, metricNamed } from "./index.ts";

// Two windows of one text. First: right, right, wrong, right with p = 1/2, 1/4, 1/8, 1/2. Second: all wrong, p = 1/4.
const first: TokenStats = {
  logProbability: Float64Array.from([1 / 2, 1 / 4, 1 / 8, 1 / 2], Math.log),
  correct: Uint8Array.of(1, 1, 0, 1),
  entropy: Float64Array.of(1, 2, 3, 2),
  rank: Float64Array.of(0, 0, 4, 0),
};
const second: TokenStats = {
  logProbability: Float64Array.from([1 / 4, 1 / 4], Math.log),
  correct: Uint8Array.of(0, 0),
  entropy: Float64Array.of(4, 6),
  rank: Float64Array.of(1, 7),
};
const recited: TokenStats = { ...second, correct: Uint8Array.of(1, 1) };

const WORKED: Record<string, number> = {
  exact_match: 0, // neither window is right throughout
  memorization_accuracy: 3 / 6, // three of six tokens
  max_memorization_accuracy: 3 / 4, // the first window
  extraction_strength: 1 / 4, // first window: only its last token is right to the end, k = 3 of 4
  longest_verbatim_run: 2, // the first two tokens
  suffix_nll: (Math.LN2 * (1 + 2 + 3 + 1 + 2 + 2)) / 6,
  token_probability: (1 / 2 + 1 / 4 + 1 / 8 + 1 / 2 + 1 / 4 + 1 / 4) / 6,
  entropy: (1 + 2 + 3 + 2 + 4 + 6) / 6,
  rank: (4 + 1 + 7) / 6,
  perplexity: 2 ** (11 / 6), // exp of the nll above
};

for (const name of METRIC_NAMES) {
  test(`${name} of a text worked by hand`, () => {
    assert.ok(Math.abs(metricNamed(name).ofText([first, second]) - WORKED[name]!) < 1e-12);
  });
}

test("one recited window makes the text recited, and its strength 1", () => {
  assert.equal(metricNamed("exact_match").ofText([first, recited]), 1);
  assert.equal(metricNamed("extraction_strength").ofText([first, recited]), 1);
  assert.equal(metricNamed("extraction_strength").ofText([second]), 0); // no floor of 1/n
});

test("a set's value carries n, standard error and direction", () => {
  const values = [0, 1, 1, 0];
  const forget = summarise("exact_match", values, [], "forget");
  assert.deepEqual([forget.value, forget.n, forget.better], [0.5, 4, "lower"]);
  assert.ok(Math.abs(forget.stderr! - Math.sqrt(1 / 3 / 4)) < 1e-12); // sample variance 4·0.25/3
  assert.equal(summarise("exact_match", values, [], "kept").better, "higher");
  assert.equal(summarise("suffix_nll", values, [], "forget").better, "higher");
  assert.equal(summarise("exact_match", values, [], "unseen").better, "none");
  assert.equal(summarise("max_memorization_accuracy", [0.2, 0.9], [], "forget").value, 0.9);
});

test("perplexity pools tokens, not texts", () => {
  const value = summarise("perplexity", [], [first, second], "heldout");
  assert.ok(Math.abs(value.value - 2 ** (11 / 6)) < 1e-12);
  assert.deepEqual([value.n, value.better], [6, "lower"]);
});

test("quantile interpolates, mean of one value has no error", () => {
  assert.equal(quantile([3, 1, 2], 0.5), 2);
  assert.equal(quantile([0, 10], 0.95), 9.5);
  assert.equal(meanOf([7]).stderr, null);
});

test("texts without windows are null, the others keep their index", () => {
  const rows = perText([first, second], [2, 0], 3, ["rank"]);
  assert.deepEqual(rows, [{ rank: 4 }, null, { rank: 1 }]);
});
