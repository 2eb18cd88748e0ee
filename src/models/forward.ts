/** @file A forward pass without gradients: hidden states, logits of chosen rows. */
import {
  indexSelect,
  noGrad,
  reshape,
  tensor,
  tidy,
  toCopy,
  type DType,
  type Tensor,
} from "../torch/index.ts";
import { headOf } from "./head.ts";
import type { Architecture, Batch, Weights } from "./types.ts";

/** The normed hidden states (B, T, D) that the output matrix reads. Frees each block's intermediates as it goes. */
export function hiddenStates(arch: Architecture, w: Weights, batch: Batch): Tensor {
  return noGrad(() =>
    tidy(() => {
      const dtype = w.get(arch.head).dtype;
      const context = arch.context(batch, dtype);
      const below = w.stem?.hidden(batch);
      let x = below ?? tidy(() => arch.embed(w, batch, context));
      for (let i = below === undefined ? 0 : w.stem!.block; i < arch.layers; i++) {
        const before = x;
        x = tidy(() => arch.block(w, i, before, context));
        before.dispose();
      }
      if (batch.cache !== undefined) batch.cache.length += x.shape[1]!;
      return arch.final(w, x, context);
    }),
  );
}

/** Rows of (B, T, D) by their flat index b·T + t → (N, D). */
export function rowsOf(hidden: Tensor, rows: readonly number[]): Tensor {
  const [batch, tokens, width] = hidden.shape as [number, number, number];
  return indexSelect(reshape(hidden, [batch * tokens, width]), 0, tensor(rows, { dtype: "int64" }));
}

/** Logits (N, V) of rows (N, D) as the model is served, in float32 unless asked otherwise. */
export function logitsOf(
  arch: Architecture,
  w: Weights,
  rows: Tensor,
  { dtype = "float32" }: { dtype?: DType } = {},
): Tensor {
  const logits = headOf(arch, w)(rows);
  return logits.dtype === dtype ? logits : toCopy(logits, { dtype });
}
