/** @file SimNPO (Fan et al. 2024), with its β = 4.5, γ = 0. */
import { COMMON, type Method } from "./types.ts";

export const simnpo: Method = {
  name: "simnpo",
  summary: "negative preference optimisation without a reference, all weights",
  origin: "paper",
  settings: { ...COMMON, loss: "simnpo", beta: 4.5, gamma: 0, lr: 1e-5 },
};
