/** @file Representation misdirection (RMU; Li et al. 2024, "The WMDP Benchmark", arXiv 2403.03218): hidden states, not logits. */
import { mulScalar_, squeeze, sub, sumDim, mul, toDType, type Tensor } from "../../torch/index.ts";
import type { LogitLoss, RowLoss } from "../../models/index.ts";
import type { ErasingLoss, ReferenceRows } from "./types.ts";

/**
 * L = ‖h - c·u‖² over hidden states h of one block, minimised; dL/dh = 2 (h - c·u). u is a random direction, c a length beyond that of
 * h: what later blocks read of a text becomes the same for every token. Ends by itself, at h = c·u; at c = 0 it erases the block.
 */
export const rmu: ErasingLoss = {
  name: "rmu",
  summary: "drive a block's hidden states to one random direction",
  formula: "L = mean ‖h - c·u‖²",
  origin: "paper",
  needs: "hidden",
  options: [],
  of:
    ({ steer }) =>
    (hidden) =>
      squared(hidden, steer!),
};

/** L = ‖h - h0‖²; dL/dh = 2 (h - h0). Holds hidden states where θ0 had them: RMU's retain term. Limit: 0 at θ0. */
export const anchored =
  (reference: Pick<ReferenceRows, "logits">): LogitLoss =>
  (hidden, { from, count }) =>
    squared(hidden, reference.logits(from, count));

/** ‖h - target‖² per row and its gradient; target (n, D) or (1, D). */
function squared(hidden: Tensor, target: Tensor): RowLoss {
  const gap = sub(hidden, toDType(target, hidden.dtype)); // (n, D)
  const loss = squeeze(sumDim(mul(gap, gap), [-1], { keepdim: true }), 1);
  return { loss, gradLogits: mulScalar_(gap, 2) };
}
