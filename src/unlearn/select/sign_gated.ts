/** @file The entropy gradient's magnitude, gated by direction: a control of the contrastive score. */
import { abs, ltScalar, mul, toCopy } from "../../torch/index.ts";
import { entropyGradient, likelihoodGradient, selectByGradients } from "./scored.ts";
import type { Selector } from "./types.ts";

/** s_i = |a_i| · 1[a_i b_i < 0]: direction only decides who takes part, magnitude only who comes first. */
export const signGated: Selector = {
  name: "sign_gated",
  summary: "the entropy gradient's size where raising entropy also forgets, else nothing",
  formula: "s = |∇L_EM| where ∇L_EM · ∇L_NLL < 0, else 0",
  origin: "ours",
  kind: "weights",
  select: (input) =>
    selectByGradients(input, [entropyGradient, likelihoodGradient], ([a, b]) =>
      mul(abs(a!), toCopy(ltScalar(mul(a!, b!), 0), { dtype: a!.dtype })),
    ),
};
