/** @file The memorisation accuracy of the worst window of the worst text: a mean can hide one recited text. */
import { meanOverTokens, worstWindow, type Metric } from "./types.ts";

/** max over texts and windows of MA. Limit: 1 as soon as one window is fully predicted. */
export const maxMemorizationAccuracy: Metric = {
  name: "max_memorization_accuracy",
  summary: "memorization_accuracy of the worst window of the worst text",
  formula: "max over texts and windows of (1/S) Σ 1[argmax = token]",
  origin: "ours",
  memorised: "higher",
  ofText: (windows) => worstWindow(windows, (w) => meanOverTokens([w], (x) => x.correct)),
  over: "max",
};
