/** @file Gradient ascent (Jang et al. 2022). */
import { COMMON, type Method } from "./types.ts";

export const ga: Method = {
  name: "ga",
  summary: "gradient ascent on the likelihood, all weights",
  origin: "paper",
  settings: { ...COMMON, loss: "ga", lr: 1e-5 },
};
