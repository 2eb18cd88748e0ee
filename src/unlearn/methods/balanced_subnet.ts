/** @file BalancedSubnet (Sakarvadia et al. 2024, "Mitigating Memorization in Language Models", arXiv 2410.02159); needs retain text. */
import { COMMON, type Method } from "./types.ts";

/**
 * L = -CE(forget) + CE(retain) over a score per MLP weight (writers/masked.ts); the lowest 1 % of each matrix are dropped. SGD with
 * momentum .9 as in the paper, and its rate of .1.
 * Limit: at fraction 0 nothing is dropped, it is θ0.
 */
export const balancedSubnet: Method = {
  name: "balanced_subnet",
  summary:
    "MLP weights dropped, not changed: which, is learnt by ascent on the texts and descent on retain text",
  origin: "paper",
  settings: {
    ...COMMON,
    writes: "mask",
    loss: "ga",
    companion: "nll",
    scope: "mlp",
    fraction: 0.01,
    optimiser: "momentum",
    lr: 0.1,
    passes: 4,
  },
};
