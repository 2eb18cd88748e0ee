import assert from "node:assert/strict";
import { test } from "node:test";
import { wholeWindow, type TokenStats, type Window } from "../eval/index.ts";
import {
  above,
  givenGoal,
  isAt,
  isDone,
  levelErrors,
  levelsOf,
  meanLevel,
  mostMemorised,
  ofTexts,
  overForgotten,
  ownGoal,
  textsAbove,
  unseenGoal,
  waiting,
  worstWindows,
  type Level,
  type Standing,
} from "./level.ts";

const at = (accuracy: number, nll: number): Level => ({ accuracy, nll });

/** Windows of the given texts, of so many scored tokens. */
const windowsOf = (...of: readonly (readonly [text: number, tokens: number])[]): Window[] =>
  of.map(([text, tokens]) => wholeWindow(new Array<number>(tokens + 1).fill(5), text));

const ONE_EACH = windowsOf([0, 10], [1, 10]);
const standing = (levels: Level[], windows: readonly Window[] = ONE_EACH): Standing => ({
  levels,
  mean: meanLevel(ofTexts(levels, windows)),
});

const statsOf = (...tokens: readonly (readonly [correct: 0 | 1, nll: number])[]): TokenStats => ({
  correct: Uint8Array.from(tokens, ([c]) => c),
  logProbability: Float64Array.from(tokens, ([, nll]) => -nll),
  entropy: new Float64Array(0),
  rank: new Float64Array(0),
});

test("levels and their errors, worked out by hand", () => {
  const stats = [statsOf([1, 1], [0, 3], [0, 2], [0, 2])];
  assert.deepEqual(levelsOf(stats), [at(0.25, 2)]);
  const [error] = levelErrors(stats);
  assert.equal(error!.accuracy, Math.sqrt((0.25 * 0.75) / 4));
  assert.equal(error!.nll, Math.sqrt(2 / 3 / 4)); // squares 1, 1, 0, 0; three degrees of freedom
});

test("a text's level is the mean over its tokens, the set's the mean over texts", () => {
  const windows = windowsOf([0, 30], [0, 10], [1, 5]);
  const levels = [at(0.2, 4), at(1, 0), at(0.5, 1)];
  assert.deepEqual(ofTexts(levels, windows), [at(0.4, 3), at(0.5, 1)]);
  assert.deepEqual(standing(levels, windows).mean, at(0.45, 2));
});

test("a text is erased when all its windows are: one that is recited does not hide behind the others", () => {
  const windows = windowsOf([0, 10], [0, 10], [0, 10], [1, 10]);
  const goal = givenGoal(at(0.4, 3), 4);
  const hidden = standing([at(1, 0), at(0, 6), at(0, 6), at(0.1, 4)], windows);
  assert.ok(hidden.mean.accuracy < 0.4 && hidden.mean.nll > 3, "by its mean the set is there");
  assert.equal(isDone(hidden, goal), false);
  assert.deepEqual([...textsAbove(hidden.levels, goal, windows)], [0]);
  assert.deepEqual(waiting(hidden.levels, goal).active, [0]); // its other windows rest
});

test("a text's worst window: above its limit in anything, then furthest in accuracy", () => {
  const windows = windowsOf([0, 10], [0, 10], [0, 10], [1, 10], [1, 10]);
  const goal = givenGoal(at(0.4, 3), 5);
  const levels = [at(0.3, 5), at(0.1, 1), at(0.2, 5), at(0.1, 4), at(0.3, 4)];
  assert.deepEqual(worstWindows(levels, goal, windows), [1, 4]);
  levels[2] = at(0.9, 5);
  assert.deepEqual(worstWindows(levels, goal, windows), [2, 4]);
});

test("what is known is at its target in accuracy and in nll, or not at all", () => {
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
  const goal = ownGoal("reference", standing(own), [at(0.05, 0.25), at(0.05, 0.5)]);
  assert.deepEqual(goal.perWindow, [at(0.35, 2.5), at(0.85, 1)]);
  assert.deepEqual(goal.mean, at(0.5, 2.5));
  const allowed = [at(0.35, 2.5), at(0.85, 1)];
  assert.deepEqual(above(allowed, goal), []);
  assert.equal(isDone(standing(allowed), goal), false);
  assert.equal(isDone(standing([at(0.25, 3), at(0.75, 2)]), goal), true);
});

test("over-forgotten is measured from a text's own level, not from its allowance", () => {
  const own = standing([at(0.4, 3), at(0.4, 3)]);
  const goal = ownGoal("reference", own, [at(0, 1), at(0, 1)]);
  assert.equal(overForgotten([at(0.4, 4.4), at(0.3, 4.6)], goal, ONE_EACH), 1);
  const one = windowsOf([0, 10], [0, 30]); // 4.55 on the whole
  assert.equal(overForgotten([at(0.4, 5.9), at(0.4, 4.1)], goal, one), 1);
});

test("where only the mean is missing, the texts above their own level are trained on, towards it", () => {
  const own = [at(0.25, 3), at(0.75, 2)];
  const goal = ownGoal("natural", standing(own), [at(0.1, 0.5), at(0.1, 0.5)]);
  const late = waiting([at(0.25, 3), at(1, 0)], goal);
  assert.deepEqual(late, { active: [1], targets: goal.perWindow });
  const mean = waiting([at(0.35, 3), at(0.7, 2)], goal); // each within its allowance, together at .525 of .5
  assert.deepEqual(mean, { active: [0], targets: own });
  const given = givenGoal(at(0.5, 2), 2);
  assert.deepEqual(waiting([at(0.5, 2), at(0.4, 1.9)], given).active, [1]);
});

test("texts of a kind never seen set one bar for all: their 90th and 10th percentile, and their mean", () => {
  const unseen = Array.from({ length: 11 }, (_, i) => at(i / 10, i));
  const windows = windowsOf(...unseen.map((_, i) => [i, 10] as const));
  const { perWindow, mean, own } = unseenGoal(standing(unseen, windows), 2);
  assert.deepEqual(perWindow, [at(0.9, 1), at(0.9, 1)]);
  assert.deepEqual(mean, at(0.5, 5));
  assert.equal(own, undefined);
});
