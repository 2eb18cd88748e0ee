/**
 * @file Where a set of texts stands, where it should get to, and whether it is there (SPEC.md section 4). All of it goes by window,
 * so that a long text cannot hide one that is still recited behind others: a text is erased when all its windows are. The set's
 * mean is one of texts, each the mean over its tokens.
 */
import { meanOf, quantile, type TokenStats, type Window } from "../eval/index.ts";

/** How well a window, a text or a set is known: suffix accuracy and negative log-likelihood (nats per token). */
export type Level = { readonly accuracy: number; readonly nll: number };

/** At its target is what is known no better, in accuracy AND in nll: an argmax that flips still leaks to sampling. */
export const isAt = (level: Level, target: Level): boolean =>
  level.accuracy <= target.accuracy + 1e-9 && level.nll >= target.nll - 1e-6;

export type Goal = {
  readonly from: "reference" | "unseen" | "natural" | "given";
  readonly perWindow: readonly Level[];
  /** What the mean over texts must reach. */
  readonly mean: Level;
  /** Each window's own level, without allowance, where it is known. */
  readonly own?: readonly Level[];
};

/** Where a set stands: each of its windows, and the mean over its texts. */
export type Standing = { readonly levels: readonly Level[]; readonly mean: Level };

export const levelsOf = (stats: readonly TokenStats[]): Level[] =>
  stats.map(({ correct, logProbability }) => ({
    accuracy: meanOf([...correct]).value,
    nll: -meanOf([...logProbability]).value,
  }));

export function standingOf(stats: readonly TokenStats[], windows: readonly Window[]): Standing {
  const levels = levelsOf(stats);
  return { levels, mean: meanLevel(ofTexts(levels, windows)) };
}

/** Levels of texts from those of their windows: the mean over scored tokens. */
export function ofTexts(levels: readonly Level[], windows: readonly Window[]): Level[] {
  const sums = new Map<number, { accuracy: number; nll: number; n: number }>();
  windows.forEach(({ text, scored: { length } }, i) => {
    const { accuracy, nll, n } = sums.get(text) ?? { accuracy: 0, nll: 0, n: 0 };
    const level = levels[i]!;
    sums.set(text, {
      accuracy: accuracy + length * level.accuracy,
      nll: nll + length * level.nll,
      n: n + length,
    });
  });
  return [...sums.values()].map(({ accuracy, nll, n }) => ({
    accuracy: accuracy / n,
    nll: nll / n,
  }));
}

const ALLOWANCE = 2; // standard errors

export const meanLevel = (levels: readonly Level[]): Level => ({
  accuracy: meanOf(levels.map((l) => l.accuracy)).value,
  nll: meanOf(levels.map((l) => l.nll)).value,
});

/**
 * Each window to its own level, under the reference model or under the natural predictor, give or take two standard errors of
 * that level: it is a mean over few tokens, and another model that never saw the texts would be above it by one error in a
 * sixth of all windows, by two in a fortieth. The mean itself must be reached without allowance.
 */
export function ownGoal(
  from: "reference" | "natural",
  { levels, mean }: Standing,
  errors: readonly Level[],
): Goal {
  const perWindow = levels.map((l, i) => ({
    accuracy: l.accuracy + ALLOWANCE * errors[i]!.accuracy,
    nll: l.nll - ALLOWANCE * errors[i]!.nll,
  }));
  return { from, perWindow, mean, own: levels };
}

/** Standard errors of windows' levels over their scored tokens: √(a(1-a)/n) and s/√n. */
export const levelErrors = (stats: readonly TokenStats[]): Level[] =>
  stats.map(({ correct, logProbability }) => {
    const { value, n } = meanOf([...correct]);
    return {
      accuracy: Math.sqrt((value * (1 - value)) / n),
      nll: meanOf([...logProbability]).stderr ?? 0,
    };
  });

/** Every window to within what those of texts never seen reach: their 90th percentile in accuracy, 10th in nll; the mean to theirs. */
export function unseenGoal({ levels, mean }: Standing, windows: number): Goal {
  const one = {
    accuracy: quantile(
      levels.map((l) => l.accuracy),
      0.9,
    ),
    nll: quantile(
      levels.map((l) => l.nll),
      0.1,
    ),
  };
  return { from: "unseen", perWindow: new Array<Level>(windows).fill(one), mean };
}

export const givenGoal = (level: Level, windows: number): Goal => ({
  from: "given",
  perWindow: new Array<Level>(windows).fill(level),
  mean: level,
});

const over = (levels: readonly Level[], targets: readonly Level[]): number[] =>
  levels.flatMap((l, i) => (isAt(l, targets[i]!) ? [] : [i]));

/** Indices of the windows that are still known too well. */
export const above = (levels: readonly Level[], goal: Goal): number[] =>
  over(levels, goal.perWindow);

/** The texts of which a window is still known too well. */
export const textsAbove = (
  levels: readonly Level[],
  goal: Goal,
  windows: readonly Window[],
): Set<number> => new Set(above(levels, goal).map((i) => windows[i]!.text));

/** Of each text the window that is furthest above its limit in accuracy, those that are above it in anything first. */
export function worstWindows(
  levels: readonly Level[],
  goal: Goal,
  windows: readonly Window[],
): number[] {
  const late = new Set(above(levels, goal));
  const excess = (i: number) => levels[i]!.accuracy - goal.perWindow[i]!.accuracy;
  const worst = new Map<number, number>();
  windows.forEach(({ text }, i) => {
    const held = worst.get(text);
    const isWorse =
      held === undefined ||
      (late.has(i) === late.has(held) ? excess(i) > excess(held) : late.has(i));
    if (isWorse) worst.set(text, i);
  });
  return [...worst.values()];
}

/** The windows to train on, and the targets: where only the mean is missing, those above their own level without allowance. */
export function waiting(
  levels: readonly Level[],
  goal: Goal,
): { active: number[]; targets: readonly Level[] } {
  const active = above(levels, goal);
  if (active.length > 0) return { active, targets: goal.perWindow };
  const targets = goal.own ?? levels.map(() => goal.mean);
  return { active: over(levels, targets), targets };
}

/** Share of the waiting windows that is trained on where none of them is above the threshold. */
const MOST = 1 / 4;

/**
 * Of the windows that wait (indices) those with a suffix accuracy above `threshold`; where there are none, the most memorised quarter of
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
export function overForgotten(
  levels: readonly Level[],
  goal: Goal,
  windows: readonly Window[],
): number {
  const own = ofTexts(goal.own ?? goal.perWindow, windows);
  return ofTexts(levels, windows).filter((l, i) => l.nll > 1.5 * own[i]!.nll).length;
}

/** Every window at its target and the mean at or beyond the mean target. */
export const isDone = ({ levels, mean }: Standing, goal: Goal): boolean =>
  above(levels, goal).length === 0 && isAt(mean, goal.mean);
