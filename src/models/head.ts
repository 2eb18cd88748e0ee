/**
 * @file The output matrix in chunks of rows, so that the logits of a whole batch never exist at once: N x V floats would
 * be the largest tensor of a step by far. Gradients with respect to logits are derived by hand in each loss, so the
 * backward pass through the head is two matrix products per chunk and no graph.
 */
import {
  addmm_,
  cat,
  keep,
  linear,
  matmul,
  mul_,
  narrow,
  noGrad,
  t,
  tensor,
  tidy,
  toCopy,
  unsqueeze,
  zeros,
  type DType,
  type Tensor,
} from "../torch/index.ts";
import type { Architecture, Head, Weights } from "./types.ts";

/** 256 rows of a 49,152-token vocabulary are 50 MB of float32: large enough for full GEMM speed. */
export const CHUNK_ROWS = 256;

/** A chunk of rows, `from` counted from the first row of the pass. */
export type Chunk = { readonly from: number; readonly count: number; readonly targets: Tensor }; // targets (n, 1) int64

/** Per-row loss and its gradient with respect to the logits. */
export type RowLoss = { loss: Tensor; gradLogits: Tensor }; // (n), (n, V)

/** A loss that depends on logits row by row; may overwrite `logits` (n, V), float32. */
export type LogitLoss = (logits: Tensor, chunk: Chunk) => RowLoss;

/** A loss for the rows (N, D) of one batch: made when they are known, since some losses weigh whole sequences. */
export type LossOf = (rows: Tensor) => LogitLoss;

/** Logits by the output matrix (V, D) alone. */
export const matrixHead =
  (matrix: Tensor): Head =>
  (rows) =>
    linear(rows, matrix);

/** Logits as a model is served: by its rule where it has one. */
export const headOf = (arch: Architecture, w: Weights): Head =>
  w.logits ?? matrixHead(w.get(arch.head));

/** Calls `visit` with the float32 logits of each chunk of rows (N, D); what it makes is freed after each chunk. */
export function forEachChunk(
  rows: Tensor,
  head: Head,
  targets: readonly number[],
  visit: (logits: Tensor, chunk: Chunk, rows: Tensor) => void,
): void {
  for (let from = 0; from < targets.length; from += CHUNK_ROWS) {
    tidy(() => {
      const count = Math.min(CHUNK_ROWS, targets.length - from);
      const part = narrow(rows, 0, from, count); // (n, D)
      const wanted = tensor(targets.slice(from, from + count), {
        shape: [count, 1],
        dtype: "int64",
      });
      const raw = head(part); // (n, V)
      visit(
        as(raw, raw.dtype === "float64" ? "float64" : "float32"),
        { from, count, targets: wanted },
        part,
      );
    });
  }
}

/** What the head gives back to the rest of the pass; `gradHead` only when asked for. */
export type HeadGradients = {
  losses: Float64Array;
  gradRows: Tensor;
  gradHead: Tensor | undefined;
};

/**
 * Σ weight_i · loss_i over rows (N, D), its gradient with respect to the rows (N, D) and, on request, to the head (V, D).
 * `losses` are unweighted, per row.
 */
export function headPass(
  rows: Tensor,
  head: Tensor,
  targets: readonly number[],
  weights: readonly number[],
  loss: LogitLoss,
  { trainHead = false }: { trainHead?: boolean } = {},
): HeadGradients {
  return noGrad(() =>
    tidy(() => {
      const wide = rows.dtype === "float64" ? "float64" : "float32";
      const losses = new Float64Array(targets.length);
      const parts: Tensor[] = [];
      const gradHead = trainHead ? zeros(head.shape, { dtype: wide }) : undefined;
      forEachChunk(rows, matrixHead(head), targets, (logits, chunk, part) => {
        const { loss: perRow, gradLogits } = loss(logits, chunk);
        losses.set(perRow.toFloats(), chunk.from);
        const scale = tensor(weights.slice(chunk.from, chunk.from + chunk.count), { dtype: wide });
        const weighted = mul_(gradLogits, unsqueeze(scale, 1)); // (n, V)
        if (gradHead !== undefined) addmm_(gradHead, t(weighted), as(part, wide));
        parts.push(keep(matmul(as(weighted, part.dtype), head))); // (n, D)
      });
      try {
        return { losses, gradRows: cat(parts), gradHead };
      } finally {
        for (const part of parts) part.dispose();
      }
    }),
  );
}

const as = (x: Tensor, dtype: DType): Tensor => (x.dtype === dtype ? x : toCopy(x, { dtype }));
