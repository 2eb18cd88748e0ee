/** @file The longest run of suffix tokens in a row that the model gets right, in tokens. */
import { worstWindow, type Metric } from "./types.ts";

/** Length of the longest run of 1. Limits: S when recited, 0 when no token is right. */
export function longestRun(correct: ArrayLike<number>): number {
  let longest = 0;
  for (let i = 0, run = 0; i < correct.length; i++) {
    run = correct[i] === 1 ? run + 1 : 0;
    longest = Math.max(longest, run);
  }
  return longest;
}

export const longestVerbatimRun: Metric = {
  name: "longest_verbatim_run",
  summary: "longest run of suffix tokens whose argmax is right (tokens)",
  formula: "mean over texts of the longest run of 1[argmax = token] in any window",
  origin: "ours",
  memorised: "higher",
  ofText: (windows) => worstWindow(windows, (w) => longestRun(w.correct)),
  over: "mean",
};
