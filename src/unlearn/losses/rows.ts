/** @file Small operations that several losses share, on chunks of logits (n, V). */
import { forEachChunk, matrixHead } from "../../models/index.ts";
import {
  exp_,
  full,
  gather,
  logSoftmax,
  neg,
  noGrad,
  scatterAdd_,
  squeeze,
  tensor,
  type Tensor,
} from "../../torch/index.ts";

/** One number per row as (n, 1), in the dtype of `like`. */
export function column(
  values: readonly number[],
  from: number,
  count: number,
  like: Tensor,
): Tensor {
  return tensor(values.slice(from, from + count), { shape: [count, 1], dtype: like.dtype });
}

/** Adds `amount` to the target's entry of every row, in place. */
export function addAtTargets_(values: Tensor, targets: Tensor, amount: number): Tensor {
  return scatterAdd_(values, 1, targets, full(targets.shape, amount, { dtype: values.dtype }));
}

/** -ln p(y) per row and p - onehot(y), its gradient. */
export function crossEntropy(
  logits: Tensor,
  targets: Tensor,
): { loss: Tensor; gradLogits: Tensor } {
  const logp = logSoftmax(logits, -1); // (n, V)
  const loss = neg(squeeze(gather(logp, 1, targets), 1)); // (n)
  return { loss, gradLogits: addAtTargets_(exp_(logp), targets, -1) };
}

/** ln p(y) of every row (N, D) under a head. */
export function logProbabilities(rows: Tensor, head: Tensor, targets: readonly number[]): number[] {
  const out = new Array<number>(targets.length);
  noGrad(() =>
    forEachChunk(rows, matrixHead(head), targets, (logits, chunk) => {
      const own = gather(logSoftmax(logits, -1), 1, chunk.targets).toFloats();
      own.forEach((v, i) => (out[chunk.from + i] = v));
    }),
  );
  return out;
}
