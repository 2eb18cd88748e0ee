/** @file The contrastive score against the model's own text. */
import { addScalar_, div_, mean, mul_, mulScalar_ } from "../../torch/index.ts";
import {
  entropyGradient,
  likelihoodGradient,
  selfImportance,
  selectByGradients,
} from "./scored.ts";
import type { Selector } from "./types.ts";

/** s_i = -a_i b_i / (F_s,i + mean F_s), F_s the squared gradient on θ0's own samples: what everything depends on ranks lower. */
export const contrastiveSelf: Selector = {
  name: "contrastive_self",
  summary: "the contrastive score, divided by how much ordinary text depends on the weight",
  formula: "s = -∇L_EM · ∇L_NLL / (F_s + ε)",
  origin: "ours",
  kind: "weights",
  select: (input) =>
    selectByGradients(input, [entropyGradient, likelihoodGradient, selfImportance], ([a, b, f]) =>
      div_(mulScalar_(mul_(a!, b!), -1), addScalar_(f!, mean(f!).item() + 1e-20)),
    ),
};
