/** @file Label smoothing (Szegedy et al. 2016) as an eraser: the contrast that the paper draws to entropy. */
import { COMMON, type Method } from "./types.ts";

export const labelSmoothing: Method = {
  name: "label_smoothing",
  summary: "cross-entropy to a label smoothed nearly away, all weights",
  origin: "paper",
  settings: { ...COMMON, loss: "label_smoothing", lr: 1e-5 },
};
