/** @file Losses of whole sequences: a function of S = Σ_t s_t over the rows of each sequence, spread over its rows. */
import { mul_, mulScalar_, squeeze, tensor } from "../../torch/index.ts";
import type { LogitLoss } from "../../models/index.ts";
import { column, crossEntropy } from "./rows.ts";

export const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
/** ln(1 + e^x) = -ln σ(-x). */
export const softplus = (x: number): number => (x > 30 ? x : Math.log1p(Math.exp(x)));

type Sequence = { readonly sum: number; readonly count: number };

/**
 * `of` gives a sequence's loss and its slope dL/dS, S = Σ `values` over its rows, where dS/dz of a row is onehot(y) - p. The
 * caller averages over rows; here that becomes the mean over sequences.
 */
export function sequenceLoss(
  sequence: readonly number[],
  values: readonly number[],
  of: (s: Sequence, index: number) => { loss: number; slope: number },
): LogitLoss {
  const sequences = sequence.at(-1)! + 1; // they ascend
  const sum = new Array<number>(sequences).fill(0);
  const count = new Array<number>(sequences).fill(0);
  sequence.forEach((s, i) => {
    sum[s]! += values[i]!;
    count[s]! += 1;
  });
  const all = sum.map((total, s) => of({ sum: total, count: count[s]! }, s));
  const perRow = sequence.length / sequences;
  const weight = sequence.map((s) => all[s]!.slope * perRow);
  const loss = sequence.map((s) => (all[s]!.loss * perRow) / count[s]!);
  return (logits, { from, count: rows, targets }) => {
    const { gradLogits } = crossEntropy(logits, targets);
    const own = tensor(loss.slice(from, from + rows), { shape: [rows, 1] });
    return {
      loss: squeeze(own, 1),
      gradLogits: mul_(mulScalar_(gradLogits, -1), column(weight, from, rows, gradLogits)),
    };
  };
}
