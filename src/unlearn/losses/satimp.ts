/** @file SatImp (Yang et al. 2025, "Exploring criteria of loss reweighting", arXiv 2505.11953): saturation times importance. */
import { mul, powScalar, rsubScalar } from "../../torch/index.ts";
import type { ErasingLoss } from "./types.ts";
import { weightedAscent } from "./weighted-ascent.ts";

/**
 * L = p(y)^β (1-p(y))^γ ln p(y), the weight held constant; dL/dz = p^β (1-p)^γ (onehot(y) - p). Zero at both ends: tokens
 * known for certain and tokens forgotten. Limits: γ = 0 is `wga`, β = γ = 0 is gradient ascent.
 */
export const satimp: ErasingLoss = {
  name: "satimp",
  summary: "gradient ascent weighted by saturation and importance of each token",
  formula: "L = mean p(y)^β (1-p(y))^γ ln p(y), weight held constant",
  origin: "paper",
  needs: "nothing",
  options: ["beta", "gamma"],
  of: (_, { beta, gamma }) =>
    weightedAscent((p) => mul(powScalar(p, beta), powScalar(rsubScalar(p, 1), gamma))),
};
