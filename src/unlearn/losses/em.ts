/** @file Entropy maximisation (EMSO, arXiv 2408.04983; formula reconstructed, METHOD.md section 1). */
import { addcmul_, exp, logSoftmax, mul, neg, squeeze, sumDim } from "../../torch/index.ts";
import type { ErasingLoss } from "./types.ts";

/**
 * L = -H(p) = Σ_v p(v) ln p(v), minimised; dL/dz_k = p_k (ln p_k + H). Vanishes at one-hot and at uniform: slow to start on
 * the most memorised tokens, and it ends by itself. It is neither KL(u‖p) (label smoothing) nor KL(p‖u).
 */
export const em: ErasingLoss = {
  name: "em",
  summary: "maximise the entropy of the predictions",
  formula: "L = -mean H(p), H = -Σ p ln p",
  origin: "reconstruction",
  needs: "nothing",
  options: [],
  of: () => (logits) => {
    const logp = logSoftmax(logits, -1); // (n, V)
    const p = exp(logp);
    const product = mul(p, logp); // p ln p
    const negative = sumDim(product, [-1], { keepdim: true }); // -H, (n, 1)
    return { loss: squeeze(negative, 1), gradLogits: addcmul_(product, p, neg(negative)) };
  },
};
