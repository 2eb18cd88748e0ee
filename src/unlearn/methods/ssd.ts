/** @file Selective synaptic dampening (Foster et al. 2024, arXiv 2308.07707), with its λ = 1; needs retain text. */
import { COMMON, type Method } from "./types.ts";

/** `lr` 1: a notch halves the threshold α of I_f / I_r from which weights are dampened. */
export const ssd: Method = {
  name: "ssd",
  summary:
    "weights that the texts need more than retain text are dampened, the threshold lowered; no training",
  origin: "paper",
  settings: { ...COMMON, loss: "ga", dial: "ssd", lr: 1, epochs: 60 },
};
