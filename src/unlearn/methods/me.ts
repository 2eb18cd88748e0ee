/** @file KL(u‖p) (Yuan et al. 2024). */
import { COMMON, type Method } from "./types.ts";

export const me: Method = {
  name: "me",
  summary: "cross-entropy to the uniform distribution, all weights",
  origin: "paper",
  settings: { ...COMMON, loss: "me", lr: 1e-5 },
};
