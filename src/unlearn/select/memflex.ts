/** @file MemFlex (Tian et al. 2024, arXiv 2407.01920): whole tensors whose forget and retain gradients disagree. */
import {
  disposeAll,
  mul,
  sum,
  tidy,
  vectorNorm,
  mean,
  abs,
  type Tensor,
} from "../../torch/index.ts";
import { likelihoodGradient, selfGradient } from "./scored.ts";
import type { Selector } from "./types.ts";

/** Above this cosine a tensor serves both texts alike and is left alone. */
const MOST_ALIKE = 0.92;

/**
 * Tensors with cos(g_f, g_r) < .92, by mean |g_f|, largest first, until the k share of weights is reached. MemFlex itself takes
 * mean |g_f| > 6e-4, a number of its own scale, at every step; the model's own samples stand in for its retain set.
 */
export const memflex: Selector = {
  name: "memflex",
  summary:
    "whole tensors whose gradient on the forget set is large and unlike that on ordinary text (MemFlex)",
  formula: "tensors with cos(g_f, g_r) < .92, by mean |g_f|",
  origin: "paper",
  kind: "weights",
  async select(input) {
    const forget = await likelihoodGradient(input);
    try {
      const ordinary = await selfGradient(input);
      try {
        const ranked = input.eligible
          .map(({ name }) => ({ name, ...compared(forget.get(name)!, ordinary.get(name)!) }))
          .filter((x) => x.cosine < MOST_ALIKE)
          .sort((a, b) => b.size - a.size);
        const total = [...forget.values()].reduce((n, g) => n + g.size, 0);
        const chosen = new Map<string, null>();
        let weights = 0;
        for (const { name } of ranked) {
          if (chosen.size > 0 && weights >= input.fraction * total) break;
          chosen.set(name, null);
          weights += forget.get(name)!.size;
        }
        return chosen;
      } finally {
        disposeAll(ordinary);
      }
    } finally {
      disposeAll(forget);
    }
  },
};

const compared = (f: Tensor, r: Tensor): { cosine: number; size: number } =>
  tidy(() => ({
    cosine: sum(mul(f, r)).item() / (vectorNorm(f).item() * vectorNorm(r).item() + 1e-30),
    size: mean(abs(f)).item(),
  }));
