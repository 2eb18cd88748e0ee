/** @file The ratio of the two gradients: contrast in magnitude alone, a control. */
import { abs_, addScalar_, div_ } from "../../torch/index.ts";
import { entropyGradient, likelihoodGradient, selectByGradients } from "./scored.ts";
import type { Selector } from "./types.ts";

/** s_i = |a_i| / (|b_i| + 1e-12). */
export const ratio: Selector = {
  name: "ratio",
  summary: "weights whose entropy gradient is large against their likelihood gradient",
  formula: "s = |∇L_EM| / (|∇L_NLL| + ε), largest first",
  origin: "ours",
  kind: "weights",
  select: (input) =>
    selectByGradients(input, [entropyGradient, likelihoodGradient], ([a, b]) =>
      div_(abs_(a!), addScalar_(abs_(b!), 1e-12)),
    ),
};
