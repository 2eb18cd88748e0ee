/** @file RMU (Li et al. 2024, WMDP, arXiv 2403.03218): hidden states of one block to a random direction; needs retain text. */
import { COMMON, type Method } from "./types.ts";

/**
 * L = mean ‖h_l(x_f) - c·u‖² + α mean ‖h_l(x_r) - h0_l(x_r)‖² over the MLP output projections of blocks l-2 to l. l is `--layer`, a
 * quarter of the depth, 2 at least; c is `--coefficient` times the root mean square norm of h0_l on the texts (the paper gives c on
 * its model's scale, with α 1200; at α 100 the tiny test model hardly moved in 150 epochs, at 10 it did).
 */
export const rmu: Method = {
  name: "rmu",
  summary:
    "hidden states of a lower block driven to a random direction, held on retain text; three MLP output projections",
  origin: "paper",
  settings: {
    ...COMMON,
    loss: "rmu",
    companion: "anchor",
    scope: "mlp-out",
    alpha: 10,
    coefficient: 2,
    lr: 5e-5,
  },
};
