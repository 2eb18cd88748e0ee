/** @file Gradient ascent with a weight per token that depends on how likely it still is; the weight carries no gradient. */
import { mul, mul_, neg, unsqueeze, exp, type Tensor } from "../../torch/index.ts";
import type { LogitLoss } from "../../models/index.ts";
import { crossEntropy } from "./rows.ts";

/** L = w(p(y)) ln p(y), w held constant; dL/dz = w (onehot(y) - p). */
export const weightedAscent =
  (weightOf: (probability: Tensor) => Tensor): LogitLoss =>
  (logits, { targets }) => {
    const { loss, gradLogits } = crossEntropy(logits, targets);
    const weight = neg(weightOf(exp(neg(loss)))); // (n)
    return { loss: mul(loss, weight), gradLogits: mul_(gradLogits, unsqueeze(weight, 1)) };
  };
