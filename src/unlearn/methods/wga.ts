/** @file WGA (Wang et al. 2025), with its β = 1. */
import { COMMON, type Method } from "./types.ts";

export const wga: Method = {
  name: "wga",
  summary: "gradient ascent weighted by the probability that is left, all weights",
  origin: "paper",
  settings: { ...COMMON, loss: "wga", beta: 1, lr: 1e-5 },
};
