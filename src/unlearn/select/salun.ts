/** @file SalUn (Fan et al. 2024, arXiv 2310.12508): saliency by the likelihood gradient of the forget set. */
import { abs_ } from "../../torch/index.ts";
import { likelihoodGradient, selectByGradients } from "./scored.ts";
import type { Selector } from "./types.ts";

/** s_i = |∂L_NLL/∂θ_i|, summed with its sign over the forget set, then its size; SalUn itself keeps the upper half. */
export const salun: Selector = {
  name: "salun",
  summary: "weights with the largest likelihood gradient (SalUn)",
  formula: "s = |∇L_NLL|, largest first",
  origin: "paper",
  kind: "weights",
  select: (input) => selectByGradients(input, [likelihoodGradient], ([b]) => abs_(b!)),
};
