/**
 * @file Losses towards a target distribution that is made once from θ0's own logits: q = (1-π)·softmax(z0 without y / τ) +
 * π·onehot(y). They end by themselves at p = q. UNDIAL and the natural target differ in π, τ and the hinge alone.
 */
import {
  addcmul_,
  clamp,
  div_,
  exp,
  gather,
  gtScalar,
  log,
  logSoftmax,
  mul,
  mul_,
  neg,
  rsubScalar,
  softmax,
  squeeze,
  sub,
  sub_,
  sumDim,
  toCopy,
  mulScalar,
  scatterTo,
  full,
  scatterAdd_,
  type Tensor,
} from "../../torch/index.ts";
import type { LogitLoss } from "../../models/index.ts";
import { column } from "./rows.ts";
import type { NaturalRow, ReferenceRows } from "./types.ts";

/** A fixed target may end above a text's own level: each further epoch there takes this share of π away. */
const YIELD = 0.75;

/** q (n, V) of a chunk, from θ0's logits (overwritten), the true tokens (n, 1), π and τ (n, 1). */
export function targetDistribution(
  logits0: Tensor,
  targets: Tensor,
  pi: Tensor,
  tau: Tensor,
): Tensor {
  const others = scatterTo(
    div_(logits0, tau),
    1,
    targets,
    full(targets.shape, -Infinity, { dtype: logits0.dtype }),
  );
  const q = mul_(softmax(others, -1), rsubScalar(pi, 1)); // mass 1 - π, none of it on y
  return scatterAdd_(q, 1, targets, pi);
}

/**
 * L = CE(q, p) + hinge · relu(ln p(y) - ln q(y)), per row; dL/dz = p - q + hinge · 1[p(y) > q(y)] (onehot(y) - p).
 * Without the hinge a small p(y) that is left over hardly counts. Limit: p = q gives gradient 0.
 */
export function towardsTarget(
  reference: ReferenceRows,
  target: readonly NaturalRow[],
  { hinge, pressure }: { hinge: number; pressure: readonly number[] },
): LogitLoss {
  const pis = target.map((t, i) => t.pi * YIELD ** pressure[i]!);
  const taus = target.map((t) => t.tau);
  return (logits, { from, count, targets }) => {
    const pi = column(pis, from, count, logits);
    const tau = column(taus, from, count, logits);
    const logits0 = reference.logits(from, count);
    const q = targetDistribution(
      logits0.dtype === logits.dtype ? logits0 : toCopy(logits0, { dtype: logits.dtype }),
      targets,
      pi,
      tau,
    );
    const logp = logSoftmax(logits, -1); // (n, V)
    const cross = neg(sumDim(mul(q, logp), [-1], { keepdim: true })); // (n, 1)
    const over = sub(gather(logp, 1, targets), log(pi)); // ln p(y) - ln q(y)
    const active = mulScalar(toCopy(gtScalar(over, 0), { dtype: logits.dtype }), hinge); // (n, 1)
    const p = exp(logp);
    const gradLogits = sub_(mul(p, rsubScalar(active, 1)), q);
    const loss = addcmul_(cross, active, clamp(over, { min: 0 }));
    return { loss: squeeze(loss, 1), gradLogits: scatterAdd_(gradLogits, 1, targets, active) };
  };
}
