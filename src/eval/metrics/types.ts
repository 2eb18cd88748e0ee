/** @file What a metric is: a number per text from one teacher-forced pass, and a way to a number per set. */
import type { TokenStats } from "../token-stats.ts";

export type Metric = {
  readonly name: string;
  readonly summary: string;
  readonly formula: string;
  readonly origin: "paper" | "reconstruction" | "ours";
  /** Does a higher value mean that more is memorised, less is, or neither? Decides which direction is better per set. */
  readonly memorised: "higher" | "lower" | "neither";
  /** The value of one text, from the statistics of all its windows. */
  readonly ofText: (windows: readonly TokenStats[]) => number;
  /** mean over texts (with standard error and p95), the worst text, or pooled over tokens. */
  readonly over: "mean" | "max" | "pooled";
};

/** Σ over the scored tokens of all windows / their number. */
export function meanOverTokens(
  windows: readonly TokenStats[],
  of: (w: TokenStats) => ArrayLike<number>,
): number {
  let sum = 0;
  let count = 0;
  for (const w of windows) {
    const values = of(w);
    for (let i = 0; i < values.length; i++) sum += values[i]!;
    count += values.length;
  }
  return sum / count;
}

/** The worst window's value, for metrics where higher means more memorised. */
export const worstWindow = (
  windows: readonly TokenStats[],
  of: (w: TokenStats) => number,
): number => Math.max(...windows.map(of));
