/** @file Cross-entropy to the uniform distribution ("maximising entropy" of Yuan et al. 2024, arXiv 2410.08109). */
import { addScalar_, exp, logSoftmax, meanDim, mulScalar, squeeze } from "../../torch/index.ts";
import type { ErasingLoss } from "./types.ts";

/**
 * L = KL(u‖p) = -ln V - (1/V) Σ_v ln p(v), minimised; dL/dz = p - u. Of full size where a token is memorised, zero at uniform
 * alone. It is full label smoothing, not entropy: -H(p) is KL(p‖u) - ln V, the other direction.
 */
export const me: ErasingLoss = {
  name: "me",
  summary: "cross-entropy to the uniform distribution",
  formula: "L = mean KL(u‖p)",
  origin: "paper",
  needs: "nothing",
  options: [],
  of: () => (logits) => {
    const vocab = logits.shape[1]!;
    const logp = logSoftmax(logits, -1); // (n, V)
    const mean = squeeze(meanDim(logp, [1], { keepdim: true }), 1); // (n)
    return {
      loss: addScalar_(mulScalar(mean, -1), -Math.log(vocab)),
      gradLogits: addScalar_(exp(logp), -1 / vocab),
    };
  },
};
