/** @file UNDIAL (Dong et al. 2024, arXiv 2402.10052): θ0's own distribution with the true token's logit lowered. */
import { towardsTarget } from "./fixed-target.ts";
import type { ErasingLoss } from "./types.ts";

/**
 * L = CE(q, p), q = softmax(z0 - γ·onehot(y)); dL/dz = p - q. In the shared form: τ = 1 and the odds of π are those of
 * p0(y) times e^-γ. Limits: γ = 0 holds the model in place, γ → ∞ takes the true token away.
 */
export const undial: ErasingLoss = {
  name: "undial",
  summary: "distil the original model with the true token's logit lowered by γ",
  formula: "L = mean CE(softmax(z0 - γ·onehot(y)), p)",
  origin: "paper",
  needs: "reference",
  options: ["gamma"],
  of: ({ reference }, { gamma }) =>
    towardsTarget(
      reference!,
      reference!.logProbability.map((lp) => ({ pi: lowered(lp, gamma), tau: 1 })),
      { hinge: 0 },
    ),
};

/** Probability of y after its logit was lowered by γ, from ln p0(y). */
export function lowered(logProbability: number, gamma: number): number {
  const p = Math.exp(logProbability);
  const scaled = p * Math.exp(-gamma);
  return Math.max(scaled / (-Math.expm1(Math.min(logProbability, -1e-12)) + scaled), 1e-30);
}
