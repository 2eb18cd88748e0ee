/** @file The difference of the two gradients: contrast in value, a control. */
import { abs_, sub_ } from "../../torch/index.ts";
import { entropyGradient, likelihoodGradient, selectByGradients } from "./scored.ts";
import type { Selector } from "./types.ts";

/** s_i = |a_i - b_i|. Equals |a_i| + |b_i| where they oppose each other, the smaller the better they agree. */
export const difference: Selector = {
  name: "difference",
  summary: "weights where entropy and likelihood gradients differ most",
  formula: "s = |∇L_EM - ∇L_NLL|, largest first",
  origin: "ours",
  kind: "weights",
  select: (input) =>
    selectByGradients(input, [entropyGradient, likelihoodGradient], ([a, b]) => abs_(sub_(a!, b!))),
};
