import assert from "node:assert/strict";
import { test } from "node:test";
import {
  above,
  givenGoal,
  isAt,
  isDone,
  mostMemorised,
  overForgotten,
  ownGoal,
  unseenGoal,
  waiting,
  type Level,
} from "./level.ts";

const at = (accuracy: number, nll: number): Level => ({ accuracy, nll });

test("a text is at its target in accuracy and in nll, or not at all", () => {
  assert.equal(isAt(at(0.4, 3), at(0.4, 3)), true);
  assert.equal(isAt(at(0.41, 3), at(0.4, 3)), false);
  assert.equal(isAt(at(0.3, 2.9), at(0.4, 3)), false);
});

test("sga: the waiting texts above the threshold, else the most memorised quarter of them", () => {
  const levels = [at(0.9, 1), at(0.5, 1), at(0.6, 2), at(0.4, 3), at(0.4, 2), at(0.1, 9)];
  assert.deepEqual(mostMemorised(levels, [1, 2, 3, 4, 5], 0.5), [2]); // .5 is not above it, and text 0 does not wait
  assert.deepEqual(mostMemorised(levels, [0, 2, 5], 0.5), [0, 2]);
  assert.deepEqual(mostMemorised(levels, [1, 3, 4, 5], 0.5), [1]);
  assert.deepEqual(mostMemorised(levels, [3, 4, 5], 0.5), [4]); // as accurate as 3, but likelier
  assert.deepEqual(mostMemorised(levels, [1, 2, 3, 4, 5], 0.7), [1, 2]); // 2 of 5
  assert.deepEqual(mostMemorised(levels, [3, 5], null), [3, 5]);
});

test("own levels give each text two standard errors, their mean none", () => {
  const own = [at(0.25, 3), at(0.75, 2)];
  const goal = ownGoal("reference", own, [at(0.05, 0.25), at(0.05, 0.5)]);
  assert.deepEqual(goal.perText, [at(0.35, 2.5), at(0.85, 1)]);
  assert.deepEqual(goal.mean, at(0.5, 2.5));
  const allowed = [at(0.35, 2.5), at(0.85, 1)];
  assert.deepEqual(above(allowed, goal), []);
  assert.equal(isDone(allowed, goal), false);
  assert.equal(isDone([at(0.25, 3), at(0.75, 2)], goal), true);
});

test("over-forgotten is measured from a text's own level, not from its allowance", () => {
  const goal = ownGoal("reference", [at(0.4, 3), at(0.4, 3)], [at(0, 1), at(0, 1)]);
  assert.equal(overForgotten([at(0.4, 4.4), at(0.3, 4.6)], goal), 1);
});

test("where only the mean is missing, the texts above their own level are trained on, towards it", () => {
  const own = [at(0.25, 3), at(0.75, 2)];
  const goal = ownGoal("natural", own, [at(0.1, 0.5), at(0.1, 0.5)]);
  const late = waiting([at(0.25, 3), at(1, 0)], goal);
  assert.deepEqual(late, { active: [1], targets: goal.perText });
  const mean = waiting([at(0.35, 3), at(0.7, 2)], goal); // each within its allowance, together at .525 of .5
  assert.deepEqual(mean, { active: [0], targets: own });
  const given = givenGoal(at(0.5, 2), 2);
  assert.deepEqual(waiting([at(0.5, 2), at(0.4, 1.9)], given).active, [1]);
});

test("texts of a kind never seen set one bar for all: their 90th and 10th percentile, and their mean", () => {
  const unseen = Array.from({ length: 11 }, (_, i) => at(i / 10, i));
  const { perText, mean, own } = unseenGoal(unseen, 2);
  assert.deepEqual(perText, [at(0.9, 1), at(0.9, 1)]);
  assert.deepEqual(mean, at(0.5, 5));
  assert.equal(own, undefined);
});
