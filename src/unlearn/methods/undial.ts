/** @file UNDIAL (Dong et al. 2024). */
import { COMMON, type Method } from "./types.ts";

export const undial: Method = {
  name: "undial",
  summary: "self-distillation with the true token's logit lowered, all weights",
  origin: "paper",
  settings: { ...COMMON, loss: "undial", lr: 3e-5 },
};
