/** @file Gradient magnitude alone: the control without direction. */
import { abs_ } from "../../torch/index.ts";
import { entropyGradient, selectByGradients } from "./scored.ts";
import type { Selector } from "./types.ts";

/** s_i = |∂L_EM/∂θ_i| over the forget set at θ0. */
export const magnitude: Selector = {
  name: "magnitude",
  summary: "weights with the largest entropy gradient, whatever its direction",
  formula: "s = |∇L_EM|, largest first",
  origin: "ours",
  kind: "weights",
  select: (input) => selectByGradients(input, [entropyGradient], ([a]) => abs_(a!)),
};
