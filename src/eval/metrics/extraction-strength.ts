/** @file How much of the suffix follows from how little (Carlini et al. 2021, as in open-unlearning, without its floor). */
import { worstWindow, type Metric } from "./types.ts";

/** ES(x) = 1 - k/S, k the first position from which all predictions are right; k = S, hence 0, when none is. */
export function extractionStrength(correct: ArrayLike<number>): number {
  let k = correct.length;
  while (k > 0 && correct[k - 1] === 1) k--;
  return 1 - k / correct.length;
}

export const extractionStrengthMetric: Metric = {
  name: "extraction_strength",
  summary: "share of the suffix that is predicted without a slip to its end",
  formula: "mean over texts of 1 - k/S, k = first position from which every argmax is right",
  origin: "paper",
  memorised: "higher",
  ofText: (windows) => worstWindow(windows, (w) => extractionStrength(w.correct)),
  over: "mean",
};
