/** @file PDU's forgetting objective (Entesari et al. 2025). */
import { COMMON, type Method } from "./types.ts";

export const pdu: Method = {
  name: "pdu",
  summary: "flatten the margin of the largest logit, all weights",
  origin: "paper",
  settings: { ...COMMON, loss: "pdu", lr: 1e-5 },
};
