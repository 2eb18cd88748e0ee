/** @file Token rows to batches: padded on the right for scoring and training, on the left for generation. */
import type { KvCache } from "../nn/index.ts";
import { tensor } from "../torch/index.ts";
import type { Batch } from "./types.ts";

/**
 * Rows of ids to one batch (B, T). Right padding needs no mask under the causal rule: what stands behind a token cannot
 * reach it, and padded positions are never scored.
 */
export function toBatch(
  rows: readonly (readonly number[])[],
  {
    side = "right",
    pad = 0,
    width,
    cache,
  }: { side?: "left" | "right"; pad?: number; width?: number; cache?: KvCache } = {},
): Batch {
  const tokens = Math.max(width ?? 0, ...rows.map((r) => r.length));
  if (rows.length === 0 || tokens === 0) {
    throw new RangeError("toBatch: expected at least one token, got none");
  }
  const padded = rows.map((r) => {
    const filler = new Array<number>(tokens - r.length).fill(pad);
    return side === "left" ? [...filler, ...r] : [...r, ...filler];
  });
  return {
    ids: tensor(padded.flat(), { shape: [rows.length, tokens], dtype: "int64" }),
    rows: padded,
    leftPadding: rows.map((r) => (side === "left" ? tokens - r.length : 0)),
    cache,
  };
}

/** Positions (T) shared by all rows, or (B, T) when rows are padded on the left by different amounts. */
export function positionsOf({ rows, leftPadding, cache }: Batch): number[] | number[][] {
  const past = cache?.length ?? 0;
  const tokens = rows[0]!.length;
  const from = (start: number) =>
    Array.from({ length: tokens }, (_, t) => Math.max(0, past + t - start));
  return leftPadding.every((p) => p === 0) ? from(0) : leftPadding.map(from);
}
