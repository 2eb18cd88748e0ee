/** @file SimNPO (Fan et al. 2024, arXiv 2410.07163, eq. 4): NPO without a reference, on the mean log-probability. */
import { logProbabilities } from "./rows.ts";
import { sequenceLoss, sigmoid, softplus } from "./sequence.ts";
import type { ErasingLoss } from "./types.ts";

/**
 * L = -(2/β) mean over sequences of ln σ(-β S/n - γ), S = Σ_t ln p(y_t), n the tokens of the sequence; dL/dS =
 * (2/n) σ(β S/n + γ). A sequence that is unlikely weighs little. Limit: β → 0 with γ = 0 is ascent on the mean.
 */
export const simnpo: ErasingLoss = {
  name: "simnpo",
  summary:
    "negative preference optimisation without a reference model, by length-normalised likelihood",
  formula: "L = -(2/β) mean ln σ(-β S/n - γ), S = Σ ln p(y)",
  origin: "paper",
  needs: "nothing",
  options: ["beta", "gamma"],
  of({ rows, head, targets, sequence }, { beta, gamma }) {
    const now = logProbabilities(rows, head, targets);
    return sequenceLoss(sequence, now, ({ sum, count }) => {
      const u = (beta * sum) / count + gamma;
      return { loss: (2 / beta) * softplus(u), slope: (2 / count) * sigmoid(u) };
    });
  },
};
