/** @file Negative log-likelihood of the suffix given the prefix, nats per token: what a sampling attacker meets. */
import { meanOverTokens, type Metric } from "./types.ts";

/** nll(x) = -(1/S) Σ_t ln p(x_t|x<t). Limits: 0 recited with certainty, ln V for a uniform prediction. */
export const suffixNll: Metric = {
  name: "suffix_nll",
  summary: "negative log-likelihood of suffix tokens (nats per token)",
  formula: "mean over texts of -(1/S) Σ ln p(token)",
  origin: "paper",
  memorised: "lower",
  ofText: (windows) => -meanOverTokens(windows, (w) => w.logProbability),
  over: "mean",
};
