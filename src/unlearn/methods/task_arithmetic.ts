/** @file Task arithmetic (Ilharco et al. 2023, arXiv 2212.04089): the task vector of the forget set, subtracted. */
import { COMMON, type Method } from "./types.ts";

/** `lr` is a notch of α; the loss is what selectors of the erasing gradient see: the task vector's own direction, negated. */
export const taskArithmetic: Method = {
  name: "task_arithmetic",
  summary: "what fine-tuning on the texts adds, subtracted α times, α turned up; all weights",
  origin: "paper",
  settings: { ...COMMON, loss: "ga", dial: "task_arithmetic", lr: 0.25 },
};
