/** @file Gradient ascent (Jang et al. 2022, "knowledge unlearning"). */
import { mulScalar_, neg } from "../../torch/index.ts";
import { crossEntropy } from "./rows.ts";
import type { ErasingLoss } from "./types.ts";

/**
 * L = ln p(y), minimised; dL/dz = onehot(y) - p. Nearly zero where the token is memorised (p → 1), of full size and without
 * end once it is forgotten (p → 0): there is no stationary point.
 */
export const ga: ErasingLoss = {
  name: "ga",
  summary: "gradient ascent on the negative log-likelihood",
  formula: "L = mean ln p(y)",
  origin: "paper",
  needs: "nothing",
  options: [],
  of: () => (logits, chunk) => {
    const { loss, gradLogits } = crossEntropy(logits, chunk.targets);
    return { loss: neg(loss), gradLogits: mulScalar_(gradLogits, -1) };
  },
};
