/** @file Gradient magnitude alone (SalUn, Fan et al. 2024): the control without direction. */
import { abs_, noGrad } from "../../torch/index.ts";
import { LOSSES, LOSS_DEFAULTS } from "../losses/index.ts";
import { selectByScore } from "./by-score.ts";
import { forgetGradients } from "./gradients.ts";
import type { Selector } from "./types.ts";

/** s_i = |∂L_EM/∂θ_i| over the forget set at θ0. */
export const magnitude: Selector = {
  name: "magnitude",
  summary: "weights with the largest entropy gradient, whatever its direction",
  formula: "s = |∇L_EM|, largest first",
  origin: "paper",
  kind: "weights",
  async select(input) {
    const scores = await forgetGradients(
      input,
      () => () => LOSSES.em.of(undefined as never, LOSS_DEFAULTS),
      "entropy gradient",
    );
    noGrad(() => scores.forEach((s) => void abs_(s)));
    return selectByScore(scores, input);
  },
};
