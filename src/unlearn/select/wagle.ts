/** @file WAGLE (Jia et al. 2024, arXiv 2410.17509): the model's own samples stand in for its retain set. */
import { abs_, mul_, mulScalar_, add_ } from "../../torch/index.ts";
import { likelihoodGradient, selfGradient, selectByGradients } from "./scored.ts";
import type { Selector } from "./types.ts";

const MU = 1e-6;

/** s_i = |(θ_i - g_r,i / μ) g_f,i|, g_f and g_r gradients of the likelihood on the forget set and on ordinary text, μ = 1e-6 as
 * in its released configurations, where it stands for the diagonal of the Hessian. */
export const wagle: Selector = {
  name: "wagle",
  summary:
    "weights by value and gradient of the forget set, less what ordinary text asks for (WAGLE)",
  formula: "s = |(θ - g_r/μ) · g_f|, μ = 1e-6",
  origin: "paper",
  kind: "weights",
  select: (input) =>
    selectByGradients(input, [likelihoodGradient, selfGradient], ([f, r], weight) =>
      abs_(mul_(add_(mulScalar_(r!, -1 / MU), weight), f!)),
    ),
};
