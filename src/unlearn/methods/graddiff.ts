/** @file GradDiff (Liu et al. 2022, arXiv 2203.12817): ascent on the forget set, descent on retain text. */
import { COMMON, type Method } from "./types.ts";

export const graddiff: Method = {
  name: "graddiff",
  summary: "gradient ascent, with the likelihood of retain text beside it, all weights",
  origin: "paper",
  settings: { ...COMMON, loss: "ga", companion: "nll", lr: 1e-5 },
};
