/** @file How many tokens the model holds likelier than the true one. */
import { meanOverTokens, type Metric } from "./types.ts";

/** rank(x) = (1/S) Σ_t #{v : p_t(v) > p_t(x_t)}. Limits: 0 when every argmax is right, V - 1 at worst. */
export const rank: Metric = {
  name: "rank",
  summary: "mean number of tokens held likelier than the true one",
  formula: "mean over texts of (1/S) Σ #{v : p(v) > p(token)}",
  origin: "paper",
  memorised: "lower",
  ofText: (windows) => meanOverTokens(windows, (w) => w.rank),
  over: "mean",
};
