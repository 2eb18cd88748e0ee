/** @file EMSO as reconstructed from the paper's abstract and summaries (METHOD.md section 1, to the letter). */
import { COMMON, type Method } from "./types.ts";

export const emsoPaper: Method = {
  name: "emso-paper",
  summary:
    "maximal entropy on weights chosen by the contrastive gradient score (reconstruction of the paper)",
  origin: "reconstruction",
  settings: { ...COMMON, loss: "em", select: "contrastive", fraction: 0.05, lr: 5e-5 },
};
