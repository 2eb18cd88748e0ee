/** @file Where a set of texts stands, where it should get to, and whether it is there (SPEC.md section 4). */
import { meanOf, quantile, type TokenStats } from "../eval/index.ts";

/** How well a text is known: suffix accuracy and negative log-likelihood (nats per token). */
export type Level = { readonly accuracy: number; readonly nll: number };

/** A text is at its target when it is known no better, in accuracy AND in nll: an argmax that flips still leaks to sampling. */
export const isAt = (level: Level, target: Level): boolean =>
  level.accuracy <= target.accuracy + 1e-9 && level.nll >= target.nll - 1e-6;

export type Goal = {
  readonly from: "reference" | "unseen" | "natural" | "given";
  /** One per text. */
  readonly perText: readonly Level[];
  /** What the mean over texts must reach. */
  readonly mean: Level;
  /** Each text's own level, without allowance, where it is known. */
  readonly own?: readonly Level[];
};

/** Levels of texts from the statistics of their windows; textOf gives each window's text. */
export function levelsOf(
  stats: readonly TokenStats[],
  textOf: readonly number[],
  texts: number,
): Level[] {
  const sums = Array.from({ length: texts }, () => ({ correct: 0, nll: 0, n: 0 }));
  stats.forEach((s, i) => {
    const sum = sums[textOf[i]!]!;
    for (let k = 0; k < s.correct.length; k++) {
      sum.correct += s.correct[k]!;
      sum.nll -= s.logProbability[k]!;
    }
    sum.n += s.correct.length;
  });
  return sums.map(({ correct, nll, n }) => ({ accuracy: correct / n, nll: nll / n }));
}

const ALLOWANCE = 2; // standard errors

export const meanLevel = (levels: readonly Level[]): Level => ({
  accuracy: meanOf(levels.map((l) => l.accuracy)).value,
  nll: meanOf(levels.map((l) => l.nll)).value,
});

/**
 * Each text to its own level, under the reference model or under the natural predictor, give or take two standard errors of
 * that level: it is a mean over few tokens, and another model that never saw the texts would be above it by one error in a
 * sixth of all texts, by two in a fortieth. The mean itself must be reached without allowance.
 */
export function ownGoal(
  from: "reference" | "natural",
  levels: readonly Level[],
  errors: readonly Level[],
): Goal {
  const perText = levels.map((l, i) => ({
    accuracy: l.accuracy + ALLOWANCE * errors[i]!.accuracy,
    nll: l.nll - ALLOWANCE * errors[i]!.nll,
  }));
  return { from, perText, mean: meanLevel(levels), own: levels };
}

/** Standard errors of texts' levels over their scored tokens: √(a(1-a)/n) and s/√n. */
export function levelErrors(
  stats: readonly TokenStats[],
  textOf: readonly number[],
  texts: number,
): Level[] {
  const tokens = Array.from({ length: texts }, () => ({
    correct: [] as number[],
    nll: [] as number[],
  }));
  stats.forEach((s, i) => {
    const group = tokens[textOf[i]!]!;
    s.correct.forEach((c) => group.correct.push(c));
    s.logProbability.forEach((l) => group.nll.push(-l));
  });
  return tokens.map(({ correct, nll }) => {
    const { value, n } = meanOf(correct);
    return { accuracy: Math.sqrt((value * (1 - value)) / n), nll: meanOf(nll).stderr ?? 0 };
  });
}

/** Every text to within what texts never seen reach: their 90th percentile in accuracy, 10th in nll; the mean to their mean. */
export function unseenGoal(unseen: readonly Level[], texts: number): Goal {
  const one = {
    accuracy: quantile(
      unseen.map((l) => l.accuracy),
      0.9,
    ),
    nll: quantile(
      unseen.map((l) => l.nll),
      0.1,
    ),
  };
  return { from: "unseen", perText: new Array<Level>(texts).fill(one), mean: meanLevel(unseen) };
}

export const givenGoal = (level: Level, texts: number): Goal => ({
  from: "given",
  perText: new Array<Level>(texts).fill(level),
  mean: level,
});

const over = (levels: readonly Level[], targets: readonly Level[]): number[] =>
  levels.flatMap((l, i) => (isAt(l, targets[i]!) ? [] : [i]));

/** Indices of the texts that are still known too well. */
export const above = (levels: readonly Level[], goal: Goal): number[] => over(levels, goal.perText);

/** The texts to train on, and their targets: where only the mean is missing, those above their own level without allowance. */
export function waiting(
  levels: readonly Level[],
  goal: Goal,
): { active: number[]; targets: readonly Level[] } {
  const active = above(levels, goal);
  if (active.length > 0) return { active, targets: goal.perText };
  const targets = goal.own ?? levels.map(() => goal.mean);
  return { active: over(levels, targets), targets };
}

/** Share of the waiting texts that is trained on where none of them is above the threshold. */
const MOST = 1 / 4;

/**
 * Of the texts that wait (indices) those with a suffix accuracy above `threshold`; where there are none, the most memorised quarter of
 * them, by accuracy, then by likelihood. All of them without a threshold.
 */
export function mostMemorised(
  levels: readonly Level[],
  active: readonly number[],
  threshold: number | null,
): number[] {
  if (threshold === null) return [...active];
  const over = active.filter((i) => levels[i]!.accuracy > threshold);
  if (over.length > 0) return over;
  const known = (i: number) => levels[i]!;
  const ranked = [...active].sort(
    (a, b) => known(b).accuracy - known(a).accuracy || known(a).nll - known(b).nll,
  );
  return ranked.slice(0, Math.ceil(MOST * active.length)).sort((a, b) => a - b);
}

/** How many texts are known far less than they should be: nll over 1.5 x their own level, without allowance. */
export const overForgotten = (levels: readonly Level[], goal: Goal): number =>
  levels.filter((l, i) => l.nll > 1.5 * (goal.own ?? goal.perText)[i]!.nll).length;

/** Every text at its target and the mean at or beyond the mean target. */
export const isDone = (levels: readonly Level[], goal: Goal): boolean =>
  above(levels, goal).length === 0 && isAt(meanLevel(levels), goal.mean);
