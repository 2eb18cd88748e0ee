/** @file DP decoding (Majmudar et al. 2022, arXiv 2205.13621): likelihoods mixed with the uniform distribution when served. */
import { COMMON, type Method } from "./types.ts";

/**
 * p' = λ p + (1-λ)/V, λ = e^-s; `lr` is a notch of s, in nats taken off a certain token. The argmax never changes, so accuracy stays
 * and greedy decoding recites on: a text counts as erased only where its target lies in likelihood alone. Expect incomplete or
 * refused; it stands here because it is published as a defence against extraction by sampling.
 */
export const dpDecoding: Method = {
  name: "dp_decoding",
  summary:
    "likelihoods mixed with the uniform distribution when served; greedy decoding still recites; weights untouched",
  origin: "paper",
  settings: { ...COMMON, writes: "decoding", loss: "ga", dial: "dp_decoding", lr: 0.1 },
};
