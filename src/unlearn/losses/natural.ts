/** @file The natural target (METHOD.md section 1c): each recited token back to what θ0 believes without its trigger. */
import { towardsTarget } from "./fixed-target.ts";
import type { ErasingLoss } from "./types.ts";

/**
 * L = CE(q, p) + hinge · relu(ln p(y) - ln q(y)), q = (1-π)·softmax(z0 without y / τ) + π·onehot(y): entropy raised to the
 * natural level over what θ0 itself held possible. Rows that were not memorised have q = p0, so they are held in place.
 */
export const natural: ErasingLoss = {
  name: "natural",
  summary: "entropy up and true token down to the model's own natural level",
  formula: "L = mean CE(q, p) + hinge·relu(ln p(y) - ln q(y))",
  origin: "ours",
  needs: "natural",
  options: ["hinge"],
  of: ({ reference, pressure }, { hinge }) =>
    towardsTarget(reference!, reference!.natural!, { hinge, pressure }),
};
