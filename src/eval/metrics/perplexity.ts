/** @file Token perplexity, pooled over all scored tokens of a set; lower is better wherever the text is to be kept. */
import { meanOverTokens, type Metric } from "./types.ts";

/** ppl = exp(-(1/N) Σ ln p(token)) over the N tokens of all texts. Limits: 1 certain and right, V uniform. */
export const perplexity: Metric = {
  name: "perplexity",
  summary: "exp of the mean negative log-likelihood, pooled over tokens",
  formula: "exp(-(1/N) Σ ln p(token)), N = all scored tokens of the set",
  origin: "paper",
  memorised: "lower",
  ofText: (windows) => Math.exp(-meanOverTokens(windows, (w) => w.logProbability)),
  over: "pooled",
};
