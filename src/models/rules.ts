/**
 * @file Rules on logits, for models whose weights stay as they are: what a row's next token is drawn from is changed where the
 * model is served. Each has one strength; at 0 the logits are the model's own, bit for bit.
 */
import {
  addScalar,
  linear,
  log,
  mulScalar,
  narrow,
  relu,
  softmax,
  sub,
  toDType,
  type Tensor,
} from "../torch/index.ts";
import type { Architecture, Head, Weights } from "./types.ts";

export const RULES = ["dp_decoding", "contrastive_decoding"] as const;
export type RuleName = (typeof RULES)[number];

/** λ of the DP rule at a strength: strength is what is taken off ln p of a token that was certain. */
export const lambdaAt = (strength: number): number => Math.exp(-strength);

/**
 * DP decoding (Majmudar et al. 2022, arXiv 2205.13621): p' = λ p + (1-λ)/V, λ = e^-s from 1 (θ0) towards 0 (uniform). Direction:
 * every likelihood moves towards 1/V, those of recited tokens down to about λ. p' rises with p, so order and argmax never change:
 * greedy decoding goes on reciting; a sampler's temperature acts on p'. Not λ z + (1-λ) mean z on logits, which is softmax(λ z), a temperature and nothing else.
 */
export function dpLogits(logits: Tensor, strength: number): Tensor {
  if (strength === 0) return logits;
  const lambda = lambdaAt(strength);
  const p = softmax(toDType(logits, "float32"), -1); // (n, V)
  return log(addScalar(mulScalar(p, lambda), (1 - lambda) / logits.shape[1]!));
}

/**
 * Contrastive decoding against a reinforced model (Eldan & Russinovich 2023, arXiv 2310.02238, on the contrast of Li et al. 2023,
 * arXiv 2210.15097): z' = z - c relu(z_m - z), z_m the logits of θ0 fine-tuned further on the texts. Direction: where the
 * reinforced model puts a token higher, z_m > z, it is a token of the texts, and z' < z; every other logit stays, so its
 * probability rises: p'(y) falls for y recited. The other sign, relu(z - z_m), stands in public code: it lowers what the memory
 * pushes down, the alternatives, and recites more. Limit: c = 0 is θ0. Logits are defined up to a constant a row; both models
 * share θ0's, and on log-probabilities the rule would be idle where it matters: at p(y) near 1 nothing is left to rise.
 */
export function contrastedLogits(logits: Tensor, reinforced: Tensor, strength: number): Tensor {
  if (strength === 0) return logits;
  const own = toDType(logits, "float32"); // (n, V)
  const gained = relu(sub(toDType(reinforced, "float32"), own));
  return sub(own, mulScalar(gained, strength));
}

/** Logits of rows (n, D) under the DP rule. */
export const dpHead =
  (arch: Architecture, w: Weights, strength: () => number): Head =>
  (rows) =>
    dpLogits(linear(rows, w.get(arch.head)), strength());

/** Logits of rows (n, 2 D) of a model and, behind it, its reinforced self (`paired`). */
export const contrastedHead =
  (arch: Architecture, w: Weights, beside: Weights, strength: () => number): Head =>
  (rows) => {
    const half = (from: number) => narrow(rows, 1, from, arch.hidden); // (n, D)
    const own = linear(half(0), w.get(arch.head));
    if (strength() === 0) return own;
    return contrastedLogits(own, linear(half(arch.hidden), beside.get(arch.head)), strength());
  };
