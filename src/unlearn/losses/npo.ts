/** @file Negative Preference Optimization (Zhang et al. 2024, arXiv 2404.05868, eq. 3), on sequence log-probabilities. */
import { mulScalar_, tensor, mul_, squeeze } from "../../torch/index.ts";
import { column, crossEntropy, logProbabilities } from "./rows.ts";
import type { ErasingLoss } from "./types.ts";

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const softplus = (x: number): number => (x > 30 ? x : Math.log1p(Math.exp(x)));

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
  of({ rows, head, targets, sequence, reference }, { beta }) {
    const now = logProbabilities(rows, head, targets);
    const sequences = Math.max(...sequence) + 1;
    const gap = new Array<number>(sequences).fill(0); // S - S0
    const count = new Array<number>(sequences).fill(0);
    sequence.forEach((s, i) => {
      gap[s]! += now[i]! - reference!.logProbability[i]!;
      count[s]! += 1;
    });
    // The caller averages over rows; these factors turn that into the mean over sequences of the sequence's own loss.
    const perRow = targets.length / sequences;
    const weight = sequence.map((s) => 2 * sigmoid(beta * gap[s]!) * perRow);
    const loss = sequence.map((s) => ((2 / beta) * softplus(beta * gap[s]!) * perRow) / count[s]!);
    return (logits, chunk) => {
      const { gradLogits } = crossEntropy(logits, chunk.targets);
      const scaled = mul_(
        mulScalar_(gradLogits, -1),
        column(weight, chunk.from, chunk.count, gradLogits),
      );
      const own = tensor(loss.slice(chunk.from, chunk.from + chunk.count), {
        shape: [chunk.count, 1],
      });
      return { loss: squeeze(own, 1), gradLogits: scaled };
    };
  },
};
