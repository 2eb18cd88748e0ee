/** @file SatImp (Yang et al. 2025), with its β1 = 5, β2 = 1. */
import { COMMON, type Method } from "./types.ts";

export const satimp: Method = {
  name: "satimp",
  summary: "gradient ascent weighted by saturation and importance, all weights",
  origin: "paper",
  settings: { ...COMMON, loss: "satimp", beta: 5, gamma: 1, lr: 1e-5 },
};
