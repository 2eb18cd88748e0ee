/** @file Negative Preference Optimization (Zhang et al. 2024, arXiv 2404.05868, eq. 3), on sequence log-probabilities. */
import { logProbabilities } from "./rows.ts";
import { sequenceLoss, sigmoid, softplus } from "./sequence.ts";
import type { ErasingLoss } from "./types.ts";

/**
 * L = -(2/β) mean over sequences of ln σ(-β (S - S0)), S = Σ_t ln p(y_t); dL/dS = 2 σ(β (S - S0)), dS/dz = onehot(y) - p.
 * β → 0 is gradient ascent with weight 1; a sequence far below θ0 has weight 0, so it ends by itself.
 */
export const npo: ErasingLoss = {
  name: "npo",
  summary: "negative preference optimisation against the original model",
  formula: "L = -(2/β) mean ln σ(-β (S - S0)), S = Σ ln p(y)",
  origin: "paper",
  needs: "reference",
  options: ["beta"],
  of({ rows, head, targets, sequence, reference }, { beta }) {
    const now = logProbabilities(rows, head, targets);
    const gap = now.map((l, i) => l - reference!.logProbability[i]!);
    return sequenceLoss(sequence, gap, ({ sum }) => ({
      loss: (2 / beta) * softplus(beta * sum),
      slope: 2 * sigmoid(beta * sum),
    }));
  },
};
