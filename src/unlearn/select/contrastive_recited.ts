/** @file The contrastive score where the memory is: on recited tokens of the suffix alone. */
import { mul_, mulScalar_ } from "../../torch/index.ts";
import {
  entropyGradientOnRecited,
  likelihoodGradientOnRecited,
  selectByGradients,
} from "./scored.ts";
import type { Selector } from "./types.ts";

/** s_i = -a_i b_i, both gradients over suffix tokens that are θ0's argmax. The few tokens that were not learnt would supply most
 * of the plain score, since both gradients nearly vanish where the model is certain. */
export const contrastiveRecited: Selector = {
  name: "contrastive_recited",
  summary: "the contrastive score over the tokens that are still recited",
  formula: "s = -∇L_EM · ∇L_NLL on recited suffix tokens",
  origin: "ours",
  kind: "weights",
  select: (input) =>
    selectByGradients(input, [entropyGradientOnRecited, likelihoodGradientOnRecited], ([a, b]) =>
      mulScalar_(mul_(a!, b!), -1),
    ),
};
