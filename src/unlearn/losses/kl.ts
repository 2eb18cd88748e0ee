/** @file KL(θ0‖θ): holds predictions where they are. The retain term of KL (Maini et al. 2024) and the measure of its drift. */
import {
  exp,
  logSoftmax,
  mul,
  softmax,
  squeeze,
  sub,
  sumDim,
  toCopy,
  sub_,
} from "../../torch/index.ts";
import type { LogitLoss } from "../../models/index.ts";
import type { ReferenceRows } from "./types.ts";

/** L = Σ_v p0(v) (ln p0(v) - ln p(v)); dL/dz = p - p0. Limit: 0 at p = p0. Not KL(p‖p0), which forgives lost tokens. */
export const kl =
  (reference: Pick<ReferenceRows, "logits">): LogitLoss =>
  (logits, { from, count }) => {
    const stored = reference.logits(from, count);
    const logits0 =
      stored.dtype === logits.dtype ? stored : toCopy(stored, { dtype: logits.dtype });
    const logp = logSoftmax(logits, -1); // (n, V)
    const p0 = softmax(logits0, -1);
    const gap = sub(logSoftmax(logits0, -1), logp);
    const loss = squeeze(sumDim(mul(p0, gap), [-1], { keepdim: true }), 1);
    return { loss, gradLogits: sub_(exp(logp), p0) };
  };
