/** @file Label smoothing as an eraser (Szegedy et al. 2016, eq. 6; the paper's first contrast to entropy). */
import {
  addScalar_,
  exp,
  gather,
  logSoftmax,
  meanDim,
  mulScalar,
  add,
  squeeze,
} from "../../torch/index.ts";
import { addAtTargets_ } from "./rows.ts";
import type { ErasingLoss } from "./types.ts";

/**
 * L = -(1-ε) ln p(y) - ε (1/V) Σ_v ln p(v), minimised; dL/dz = p - (1-ε)·onehot(y) - ε/V. Ends by itself at
 * p(y) = 1 - ε + ε/V. Limits: ε = 0 is the likelihood, which learns; ε = 1 is `me` up to ln V.
 */
export const labelSmoothing: ErasingLoss = {
  name: "label_smoothing",
  summary: "cross-entropy to a label that is smoothed nearly away",
  formula: "L = -mean (1-ε) ln p(y) + ε (1/V) Σ ln p(v)",
  origin: "paper",
  needs: "nothing",
  options: ["smoothing"],
  of:
    (_, { smoothing }) =>
    (logits, { targets }) => {
      const vocab = logits.shape[1]!;
      const logp = logSoftmax(logits, -1); // (n, V)
      const own = mulScalar(squeeze(gather(logp, 1, targets), 1), smoothing - 1);
      const all = mulScalar(squeeze(meanDim(logp, [1], { keepdim: true }), 1), -smoothing);
      const gradLogits = addScalar_(exp(logp), -smoothing / vocab);
      return { loss: add(own, all), gradLogits: addAtTargets_(gradLogits, targets, smoothing - 1) };
    },
};
