/** @file KL minimisation (Maini et al. 2024, TOFU, arXiv 2401.06121): ascent on the forget set, KL(θ0‖θ) on retain text. */
import { COMMON, type Method } from "./types.ts";

export const kl: Method = {
  name: "kl",
  summary: "gradient ascent, with KL to the original model on retain text beside it, all weights",
  origin: "paper",
  settings: { ...COMMON, loss: "ga", companion: "kl", lr: 1e-5 },
};
