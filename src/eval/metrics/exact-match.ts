/** @file Is the text recited? 1 when greedy decoding from some window's prefix reproduces its whole suffix. */
import { worstWindow, type Metric } from "./types.ts";

/**
 * EM(x) = max over windows of ∏_t 1[argmax p(·|x<t) = x_t]. Equals greedy decoding from the prefix: as long as every
 * argmax so far was right, the decoder has seen exactly the true tokens. Limit: one wrong token gives 0.
 */
export const exactMatch: Metric = {
  name: "exact_match",
  summary: "share of texts whose whole suffix greedy decoding reproduces",
  formula: "mean over texts of max over windows of ∏ 1[argmax = token]",
  origin: "paper",
  memorised: "higher",
  ofText: (windows) => worstWindow(windows, (w) => (w.correct.every((c) => c === 1) ? 1 : 0)),
  over: "mean",
};
