/**
 * @file The part of a model below the first block that is written to. What it makes of a row of tokens never changes, so each
 * row goes through it once. Rows go alone: their bits must not depend on what shared a batch with them.
 */
import { cat, keep, noGrad, tidy, DTYPES, type Tensor } from "../torch/index.ts";
import { toBatch } from "./batch.ts";
import type { Architecture, Batch, Stem, Weights } from "./types.ts";

/** Bytes of hidden states that are held; rows beyond are run anew each time. */
const LIMIT = 256 * 1024 * 1024;

/** Blocks 0 to `block` - 1 of weights that stay as they are for as long as it lives. */
export function stemOf(
  arch: Architecture,
  w: Weights,
  block: number,
  { limit = LIMIT }: { limit?: number } = {},
): Stem {
  const held = new Map<string, Tensor>(); // (1, T, D) by token ids
  let bytes = 0;
  const rowOf = (row: readonly number[]): Tensor => {
    const key = row.join();
    const known = held.get(key);
    if (known !== undefined) return known;
    const made = runBelow(arch, w, block, row);
    const size = made.size * DTYPES[made.dtype].bytes;
    if (bytes + size > limit) return made;
    bytes += size;
    held.set(key, keep(made));
    return made;
  };
  return {
    block,
    hidden(batch: Batch) {
      if (batch.cache !== undefined || batch.leftPadding.some((p) => p > 0)) return undefined;
      return noGrad(() => tidy(() => cat(batch.rows.map(rowOf)))); // (B, T, D)
    },
    dispose() {
      for (const tensor of held.values()) tensor.dispose();
      held.clear();
    },
  };
}

function runBelow(arch: Architecture, w: Weights, block: number, row: readonly number[]): Tensor {
  return tidy(() => {
    const batch = toBatch([row]);
    const context = arch.context(batch, w.get(arch.head).dtype);
    let x = tidy(() => arch.embed(w, batch, context));
    for (let i = 0; i < block; i++) {
      const before = x;
      x = tidy(() => arch.block(w, i, before, context));
      before.dispose();
    }
    return x; // (1, T, D)
  });
}
