/** @file Entropy maximisation alone, on all weights: EMSO without its selection. */
import { COMMON, type Method } from "./types.ts";

export const em: Method = {
  name: "em",
  summary: "maximal entropy, all weights",
  origin: "reconstruction",
  settings: { ...COMMON, loss: "em", lr: 2e-5 },
};
