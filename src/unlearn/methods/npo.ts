/** @file Negative Preference Optimization (Zhang et al. 2024). */
import { COMMON, type Method } from "./types.ts";

export const npo: Method = {
  name: "npo",
  summary: "negative preference optimisation against the original model, all weights",
  origin: "paper",
  settings: { ...COMMON, loss: "npo", lr: 1e-5 },
};
