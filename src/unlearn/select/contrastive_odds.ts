/** @file The contrastive score from gradients that do not vanish where the model is certain. */
import { mul_, mulScalar_ } from "../../torch/index.ts";
import { erasingGradientOnRecited, oddsGradientOnRecited, selectByGradients } from "./scored.ts";
import type { Selector } from "./types.ts";

/** s_i = -a'_i b'_i, a' the gradient of the method's erasing loss and b' = -∇ ln(p(y) / (1 - p(y))), over recited suffix tokens. */
export const contrastiveOdds: Selector = {
  name: "contrastive_odds",
  summary: "the method's own loss against the odds of recited tokens: gradients that do not vanish",
  formula: "s = -∇L · ∇(-ln odds(y)) on recited suffix tokens",
  origin: "ours",
  kind: "weights",
  select: (input) =>
    selectByGradients(input, [erasingGradientOnRecited, oddsGradientOnRecited], ([a, b]) =>
      mulScalar_(mul_(a!, b!), -1),
    ),
};
