/** @file The contrastive score with its sign turned: should do worse if direction matters. */
import { mul_ } from "../../torch/index.ts";
import { entropyGradient, likelihoodGradient, selectByGradients } from "./scored.ts";
import type { Selector } from "./types.ts";

/** s_i = +a_i b_i: where a step that raises entropy makes the text likelier. */
export const antiAligned: Selector = {
  name: "anti_aligned",
  summary: "weights where raising entropy memorises: the contrastive score turned round",
  formula: "s = +∇L_EM · ∇L_NLL, largest first",
  origin: "ours",
  kind: "weights",
  select: (input) =>
    selectByGradients(input, [entropyGradient, likelihoodGradient], ([a, b]) => mul_(a!, b!)),
};
