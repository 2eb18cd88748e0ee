/** @file CE-U, cross-entropy unlearning (Yang 2025, arXiv 2503.01224): the model's own prediction without the true token. */
import {
  exp,
  full,
  logSoftmax,
  mul,
  neg,
  scatterTo,
  softmax,
  squeeze,
  sub_,
  sumDim,
} from "../../torch/index.ts";
import type { ErasingLoss } from "./types.ts";

/**
 * L = CE(q, p), q = softmax(z with z(y) = -∞) held constant; dL/dz = p - q = p(y)·(onehot(y) - q). Like UNDIAL with the model
 * itself as its teacher; the step shrinks with p(y) and ends by itself at p(y) = 0.
 */
export const ceU: ErasingLoss = {
  name: "ce_u",
  summary: "distil the model's own prediction with the true token taken out",
  formula: "L = mean CE(softmax(z without y), p)",
  origin: "paper",
  needs: "nothing",
  options: [],
  of:
    () =>
    (logits, { targets }) => {
      const without = full(targets.shape, -Infinity, { dtype: logits.dtype });
      const q = softmax(scatterTo(logits, 1, targets, without), -1); // (n, V)
      const logp = logSoftmax(logits, -1);
      const loss = neg(squeeze(sumDim(mul(q, logp), [-1], { keepdim: true }), 1));
      return { loss, gradLogits: sub_(exp(logp), q) };
    },
};
