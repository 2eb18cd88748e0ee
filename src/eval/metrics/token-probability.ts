/** @file Mean probability of the true suffix token. */
import { meanOverTokens, type Metric } from "./types.ts";

/** P(x) = (1/S) Σ_t p(x_t|x<t). Limits: 1 recited with certainty, 1/V for a uniform prediction. */
export const tokenProbability: Metric = {
  name: "token_probability",
  summary: "mean probability of the true suffix token",
  formula: "mean over texts of (1/S) Σ p(token)",
  origin: "paper",
  memorised: "higher",
  ofText: (windows) => meanOverTokens(windows, (w) => w.logProbability.map(Math.exp)),
  over: "mean",
};
