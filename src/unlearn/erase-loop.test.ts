import assert from "node:assert/strict";
import { test } from "node:test";
import { wholeWindow } from "../eval/index.ts";
import { eraseLoop } from "./erase-loop.ts";
import type { LoopEvent, Measure } from "./loop-types.ts";
import { givenGoal } from "./level.ts";
import type { Stepper } from "./step.ts";
import type { Writer } from "./writers/types.ts";

const KNOWN = { accuracy: 1, nll: 0.1 };
const FORGOTTEN = { accuracy: 0.2, nll: 4 };
const measured = (level: typeof KNOWN): Measure => ({
  levels: [level],
  mean: level,
  perplexity: 10,
  recited: level === KNOWN ? 1 : 0,
  entropy: 1,
});

/** The loop around a step and a measurement of our own: no model takes part. */
async function loopWith(stepper: Stepper, measure: () => Measure) {
  const backoffs: [perplexity: number | null, lr: number][] = [];
  const onEvent = (e: LoopEvent) => {
    if (e.type === "backoff") backoffs.push([e.perplexity, e.learningRate]);
  };
  const outcome = await eraseLoop({
    arch: undefined as never,
    writer: { variables: new Map(), publish: () => undefined } as unknown as Writer,
    optimiser: { reset: () => undefined } as never,
    stepper,
    windows: [wholeWindow([1, 2, 3, 4], 0)],
    tokens: [[1, 2, 3]],
    lossOf: () => () => undefined as never,
    goal: givenGoal({ accuracy: 0.5, nll: 2 }, 1),
    measure: () => Promise.resolve(measure()),
    budget: 1.05,
    lr: 1,
    warmup: 0,
    epochs: 10,
    passes: 1,
    batch: 1,
    seed: 0,
    onEvent,
  });
  return { outcome, backoffs };
}

const told = (loss: number) => ({ loss, gradNorm: 1, perRow: new Float64Array(3) });

test("a loss that is no number: back three times with half the step, then refused", async () => {
  const { outcome, backoffs } = await loopWith(
    () => told(NaN),
    () => measured(KNOWN),
  );
  assert.equal(outcome.status, "refused");
  assert.deepEqual(backoffs, [
    [null, 0.5],
    [null, 0.25],
    [null, 0.125],
  ]);
  assert.deepEqual(outcome.after, outcome.before);
});

test("a step that is small enough goes on where larger ones gave no number", async () => {
  let taken = 0;
  const { outcome, backoffs } = await loopWith(
    (_, __, { lr }) => {
      if (lr > 0.3) return told(Infinity);
      taken++;
      return told(1);
    },
    () => measured(taken > 0 ? FORGOTTEN : KNOWN),
  );
  assert.equal(outcome.status, "erased");
  assert.deepEqual(backoffs, [
    [null, 0.5],
    [null, 0.25],
  ]);
});

test("a perplexity that is no number is outside the budget", async () => {
  let taken = 0;
  const { outcome, backoffs } = await loopWith(
    () => (taken++, told(1)),
    () => (taken > 0 ? { ...measured(FORGOTTEN), perplexity: NaN } : measured(KNOWN)),
  );
  assert.equal(outcome.status, "refused");
  assert.equal(backoffs.length, 3);
});
