/** @file Selective gradient ascent (Barbulescu & Triantafillou 2024, "To Each (Textual Sequence) Its Own", arXiv 2405.03097). */
import { COMMON, type Method } from "./types.ts";

/**
 * Ascent on the texts (their windows) whose memorisation, here suffix accuracy, is above the threshold, measured anew after every
 * epoch; where none is, on the most memorised quarter of those that are not at their target yet (level.ts). Limit: with a threshold below all of
 * them it is `ga`.
 */
export const sga: Method = {
  name: "sga",
  summary: "gradient ascent on the texts that are memorised most at the time, all weights",
  origin: "paper",
  settings: { ...COMMON, loss: "ga", threshold: 0.5, lr: 1e-5 },
};
