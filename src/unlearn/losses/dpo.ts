/** @file Direct preference of an alternative text over the one to forget (Rafailov et al. 2023, arXiv 2305.18290; TOFU's IdkDPO). */
import { logProbabilities } from "./rows.ts";
import { sequenceLoss, sigmoid, softplus } from "./sequence.ts";
import type { LossOf } from "../../models/index.ts";
import type { Tensor } from "../../torch/index.ts";

/**
 * L = -(2/β) mean over pairs of ln σ(β (R_a - R_f)), R = S - S0, S = Σ_t ln p(y_t): R_f of the text, R_a of what should be said
 * instead. dL/dR_a = -2 σ(-m), dL/dR_f = 2 σ(-m), m = β (R_a - R_f). Ends by itself as m grows; (2/β) ln 2 where the model is θ0.
 * Sequences 0 … B-1 are the texts, B … 2B-1 their alternatives.
 */
export const dpo =
  (
    {
      head,
      targets,
      sequence,
      logProbability,
    }: {
      head: Tensor;
      targets: readonly number[];
      sequence: readonly number[];
      /** ln p0(y) per row. */
      logProbability: readonly number[];
    },
    { beta }: { beta: number },
  ): LossOf =>
  (rows) => {
    const gap = logProbabilities(rows, head, targets).map((l, i) => l - logProbability[i]!);
    const pairs = (sequence.at(-1)! + 1) / 2;
    const ratio = new Array<number>(2 * pairs).fill(0); // R
    sequence.forEach((s, i) => (ratio[s]! += gap[i]!));
    return sequenceLoss(sequence, gap, (_, s) => {
      const pair = s % pairs;
      const margin = beta * (ratio[pair + pairs]! - ratio[pair]!);
      // each sequence of a pair carries the pair's loss: their mean is the mean over pairs; slopes count twice for it
      const slope = 4 * sigmoid(-margin);
      return { loss: (2 / beta) * softplus(-margin), slope: s < pairs ? slope : -slope };
    });
  };
