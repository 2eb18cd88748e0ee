/** @file Importance on the forget set against importance on ordinary text, as the ratio of two Fisher diagonals. */
import { addScalar_, div_ } from "../../torch/index.ts";
import { forgetImportance, selfImportance, selectByGradients } from "./scored.ts";
import type { Selector } from "./types.ts";

/** s_i = F_f,i / (F_s,i + 1e-20), F the squared gradient of the likelihood summed over batches: on the forget set, on θ0's own
 * samples. The ratio that selective dampening (SSD, Foster et al. 2024) thresholds, here ranked. */
export const downstreamImportance: Selector = {
  name: "downstream_importance",
  summary: "weights that matter to the forget set more than to the model's own text",
  formula: "s = F_f / (F_s + ε), F = mean squared gradient",
  origin: "ours",
  kind: "weights",
  select: (input) =>
    selectByGradients(input, [forgetImportance, selfImportance], ([f, s]) =>
      div_(f!, addScalar_(s!, 1e-20)),
    ),
};
