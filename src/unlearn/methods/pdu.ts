/** @file PDU (Entesari et al. 2025, "Constrained Entropic Unlearning", arXiv 2506.05314): its objective under its constraint. */
import { COMMON, type Method } from "./types.ts";

/**
 * Minimise (max z - mean z)² where the likelihood of text to keep must hold (constraint.ts). The paper bounds the retain loss itself, by
 * a number found for each model and data set; ours bounds its rise over θ0's, at .05 nats a token unless `--constraint` says otherwise.
 * Without `--retain` the model's own samples are kept.
 */
export const pdu: Method = {
  name: "pdu",
  summary:
    "flatten the margin of the largest logit while retain text keeps its likelihood, all weights",
  origin: "paper",
  settings: { ...COMMON, loss: "pdu", constraint: "nll=0.05", lr: 1e-5 },
};
