/** @file Soft prompting for unlearning (Bhaila et al. 2024, arXiv 2406.12038): vectors before every text, weights untouched. */
import { COMMON, type Method } from "./types.ts";

/**
 * L = L_f + α L_r, minimised over the prompt φ (P, D) alone. In the paper L_f is the cross-entropy of forget inputs to generic
 * labels such as "unknown", and L_r likelihood plus KL(θ0‖θ0 with φ) on retain data. Plain text has no label that says nothing,
 * so every token serves as one: the expected cross-entropy to a token drawn at random, KL(u‖p) (loss `me`). On retain text we
 * take the KL: on the model's own samples likelihood has the same expected gradient. φ starts at random tokens, as in prompt
 * tuning, so the gate sees from the first step on what a prompt costs by itself. Limit: without φ the model is θ0, texts and all.
 */
export const spul: Method = {
  name: "spul",
  summary:
    "soft prompt before every text, uniform cross-entropy on the forget set, KL on retain text; weights untouched, acts only where the prompt is served",
  origin: "paper",
  settings: {
    ...COMMON,
    writes: "prompt",
    promptTokens: 32,
    loss: "me",
    companion: "kl",
    lr: 1e-3,
  },
};
