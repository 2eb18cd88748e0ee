/** @file KL(before‖after) per token: how far predictions moved. Large on the forget set alone is what is wanted. */
import type { Window } from "../../src/eval/index.ts";
import {
  hiddenStates,
  logitsOf,
  rowsOf,
  toBatch,
  type Architecture,
  type Weights,
} from "../../src/models/index.ts";
import { exp, inference, logSoftmax, mul, narrow, sub, sum, tidy } from "../../src/torch/index.ts";

export type Served = { readonly arch: Architecture; readonly weights: Weights };

const BATCH = 16;
const ROWS = 256;

/** Mean over all scored tokens of Σ_v p(v) (ln p(v) - ln q(v)), nats; 0 where nothing moved. */
export function divergence(before: Served, after: Served, windows: readonly Window[]): number {
  let [total, count] = [0, 0];
  for (let from = 0; from < windows.length; from += BATCH) {
    inference(() =>
      tidy(() => {
        const part = windows.slice(from, from + BATCH);
        const batch = toBatch(part.map((x) => x.ids));
        const width = batch.rows[0]!.length;
        const index = part.flatMap((x, b) => x.scored.map((t) => b * width + t - 1));
        const [p, q] = [before, after].map((m) =>
          rowsOf(hiddenStates(m.arch, m.weights, batch), index),
        );
        for (let at = 0; at < index.length; at += ROWS) {
          const n = Math.min(ROWS, index.length - at);
          total += tidy(() => {
            const a = logSoftmax(logitsOf(before.arch, before.weights, narrow(p!, 0, at, n)), -1);
            const b = logSoftmax(logitsOf(after.arch, after.weights, narrow(q!, 0, at, n)), -1);
            return sum(mul(exp(a), sub(a, b))).item();
          });
        }
        count += index.length;
      }),
    );
  }
  return total / count;
}
