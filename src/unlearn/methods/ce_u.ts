/** @file CE-U (Yang 2025). */
import { COMMON, type Method } from "./types.ts";

export const ceU: Method = {
  name: "ce_u",
  summary: "distil the model's own prediction without the true token, all weights",
  origin: "paper",
  settings: { ...COMMON, loss: "ce_u", lr: 1e-5 },
};
