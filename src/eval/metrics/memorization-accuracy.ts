/** @file Share of suffix tokens that the model would get right (Jang et al. 2022, on the suffix). */
import { meanOverTokens, type Metric } from "./types.ts";

/** MA(x) = (1/S) Σ_t 1[argmax p(·|x<t) = x_t]. Limits: 1 recited, about 1/V for a model that knows nothing. */
export const memorizationAccuracy: Metric = {
  name: "memorization_accuracy",
  summary: "share of suffix tokens whose argmax is right",
  formula: "mean over texts of (1/S) Σ 1[argmax = token]",
  origin: "paper",
  memorised: "higher",
  ofText: (windows) => meanOverTokens(windows, (w) => w.correct),
  over: "mean",
};
