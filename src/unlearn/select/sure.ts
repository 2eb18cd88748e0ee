/** @file SURE (Zhang et al. 2025, arXiv 2410.16454): whole neurons by the norm of their likelihood gradient. */
import { contiguous, expand, mul, sqrt, sumDim } from "../../torch/index.ts";
import { likelihoodGradient, selectByGradients } from "./scored.ts";
import type { Selector } from "./types.ts";

/**
 * s_row = ‖∂L_NLL/∂W_row‖₂, each weight of an output neuron scored by its row, so that rows are taken whole (up to the last
 * one). SURE keeps rows above a percentile at every step, here once at θ0.
 */
export const sure: Selector = {
  name: "sure",
  summary: "output neurons with the largest likelihood gradient (SURE)",
  formula: "s = ‖∇L_NLL of the row‖",
  origin: "paper",
  kind: "weights",
  select: (input) =>
    selectByGradients(input, [likelihoodGradient], ([b]) => {
      const squares = sumDim(mul(b!, b!), [-1], { keepdim: true });
      return contiguous(expand(sqrt(squares), b!.shape));
    }),
};
