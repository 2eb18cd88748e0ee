/** @file How undecided the model is on suffix tokens, nats. */
import { meanOverTokens, type Metric } from "./types.ts";

/** H(x) = -(1/S) Σ_t Σ_v p_t(v) ln p_t(v). Limits: 0 at one-hot, ln V at uniform. Natural, not maximal, is the aim. */
export const entropy: Metric = {
  name: "entropy",
  summary: "entropy of the predictions on suffix tokens (nats)",
  formula: "mean over texts of -(1/S) Σ_t Σ_v p ln p",
  origin: "paper",
  memorised: "neither",
  ofText: (windows) => meanOverTokens(windows, (w) => w.entropy),
  over: "mean",
};
