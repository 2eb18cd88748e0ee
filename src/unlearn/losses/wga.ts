/** @file Weighted gradient ascent (Wang et al. 2025, "Rethinking LLM unlearning objectives", arXiv 2502.19301). */
import { powScalar } from "../../torch/index.ts";
import type { ErasingLoss } from "./types.ts";
import { weightedAscent } from "./weighted-ascent.ts";

/**
 * L = p(y)^β ln p(y), the weight held constant; dL/dz = p(y)^β (onehot(y) - p). What is forgotten already weighs nothing, so
 * it ends by itself, unlike ascent. Limit: β = 0 is gradient ascent.
 */
export const wga: ErasingLoss = {
  name: "wga",
  summary: "gradient ascent weighted by the probability that is left",
  formula: "L = mean p(y)^β ln p(y), weight held constant",
  origin: "paper",
  needs: "nothing",
  options: ["beta"],
  of: (_, { beta }) => weightedAscent((p) => powScalar(p, beta)),
};
