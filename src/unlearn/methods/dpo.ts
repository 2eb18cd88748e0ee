/** @file DPO (Rafailov et al. 2023) as an eraser: an alternative text is preferred over the one to forget, as TOFU's IdkDPO. */
import { COMMON, type Method } from "./types.ts";

export const dpo: Method = {
  name: "dpo",
  summary: "an alternative text preferred over the one to forget, all weights",
  origin: "paper",
  settings: { ...COMMON, loss: "ga", companion: "dpo", lr: 1e-5 },
};
