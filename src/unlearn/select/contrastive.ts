/** @file The contrastive gradient score (EMSO; formula reconstructed, see README). */
import { mul_, mulScalar_ } from "../../torch/index.ts";
import { entropyGradient, likelihoodGradient, selectByGradients } from "./scored.ts";
import type { Selector } from "./types.ts";

/** s_i = -a_i b_i, a = ∇L_EM, b = ∇L_NLL over the forget set at θ0. A descent step η on coordinate i of L_EM changes L_NLL by
 * -η a_i b_i: large and positive means both gradients are large and raising entropy there also forgets. */
export const contrastive: Selector = {
  name: "contrastive",
  summary: "weights where raising entropy also forgets: magnitude and direction of two gradients",
  formula: "s = -∇L_EM · ∇L_NLL, largest first",
  origin: "reconstruction",
  kind: "weights",
  select: (input) =>
    selectByGradients(input, [entropyGradient, likelihoodGradient], ([a, b]) =>
      mulScalar_(mul_(a!, b!), -1),
    ),
};
