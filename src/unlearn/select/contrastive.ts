/** @file The contrastive gradient score (EMSO; formula reconstructed, METHOD.md section 1). */
import { LOSSES, nll, LOSS_DEFAULTS } from "../losses/index.ts";
import { mul_, mulScalar_, noGrad } from "../../torch/index.ts";
import { selectByScore } from "./by-score.ts";
import { forgetGradients } from "./gradients.ts";
import type { Selector } from "./types.ts";

/**
 * s_i = -a_i b_i, a = ∇L_EM, b = ∇L_NLL over the forget set at θ0. A descent step η on coordinate i of L_EM changes L_NLL by
 * -η a_i b_i: large and positive means both gradients are large and raising entropy there also forgets.
 */
export const contrastive: Selector = {
  name: "contrastive",
  summary: "weights where raising entropy also forgets: magnitude and direction of two gradients",
  formula: "s = -∇L_EM · ∇L_NLL, largest first",
  origin: "reconstruction",
  kind: "weights",
  async select(input) {
    const entropy = () => () => LOSSES.em.of(undefined as never, LOSS_DEFAULTS);
    const a = await forgetGradients(input, entropy, "entropy gradient");
    const b = await forgetGradients(input, () => () => nll, "likelihood gradient");
    noGrad(() => {
      for (const [name, score] of a) {
        mulScalar_(mul_(score, b.get(name)!), -1);
        b.get(name)!.dispose();
      }
    });
    return selectByScore(a, input);
  },
};
