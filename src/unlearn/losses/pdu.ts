/** @file Logit-margin flattening of PDU (Entesari et al. 2025, "Constrained Entropic Unlearning", arXiv 2506.05314). */
import {
  argmax,
  expand,
  maxDim,
  meanDim,
  mulScalar,
  powScalar,
  scatterAdd_,
  squeeze,
  sub,
  clone,
} from "../../torch/index.ts";
import type { ErasingLoss } from "./types.ts";

/**
 * L = (max_v z(v) - mean_v z(v))², minimised; dL/dz = 2m (onehot(argmax) - 1/V), m the margin. Zero where all logits are
 * equal, as entropy's gradient is, but it grows with the margin instead of vanishing at one-hot.
 */
export const pdu: ErasingLoss = {
  name: "pdu",
  summary: "flatten the margin of the largest logit over their mean",
  formula: "L = mean (max z - mean z)²",
  origin: "paper",
  needs: "nothing",
  options: [],
  of: () => (logits) => {
    const vocab = logits.shape[1]!;
    const [largest] = maxDim(logits, 1, { keepdim: true });
    const margin = sub(largest, meanDim(logits, [1], { keepdim: true })); // (n, 1)
    const spread = clone(expand(mulScalar(margin, -2 / vocab), logits.shape)); // (n, V)
    const at = argmax(logits, { dim: -1, keepdim: true });
    return {
      loss: squeeze(powScalar(margin, 2), 1),
      gradLogits: scatterAdd_(spread, 1, at, mulScalar(margin, 2)),
    };
  },
};
