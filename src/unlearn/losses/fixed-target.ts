/**
 * @file Losses towards a target distribution that is made once from θ0's own logits: q = (1-π)·softmax(z0 without y / τ) +
 * π·onehot(y). They end by themselves at p = q. UNDIAL and the natural target differ in π, τ and the hinge alone.
 */
import {
  addcmul_,
  argmax,
  clamp,
  div_,
  eq,
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
  scatterTo,
  full,
  scatterAdd_,
  where,
  type Tensor,
} from "../../torch/index.ts";
import type { Chunk, LogitLoss } from "../../models/index.ts";
import { column } from "./rows.ts";
import { NO_PRESSURE, type NaturalRow, type Pressure, type ReferenceRows } from "./types.ts";

/**
 * A fixed target may end above a text's own level. For each epoch that the text hangs there (its pressure) π shrinks to this
 * share, where accuracy alone is missing only for tokens that are still recited, and the hinge grows by this much of itself:
 * single texts should not keep all others waiting.
 */
const [YIELD, GROWTH] = [0.75, 0.5];

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
  { hinge, pressure = [] }: { hinge: number; pressure?: readonly Pressure[] },
): LogitLoss {
  const pressed = target.map((_, i) => pressure[i] ?? NO_PRESSURE);
  const pis = target.map((t, i) => t.pi * YIELD ** pressed[i]!.likelihood);
  const recitedPis = pis.map((pi, i) => pi * YIELD ** pressed[i]!.accuracy);
  const hinges = pressed.map((p) => hinge * (1 + GROWTH * (p.likelihood + p.accuracy)));
  const taus = target.map((t) => t.tau);
  const lateInAccuracy = pressed.some((p) => p.accuracy > 0);
  const piOf: (logits: Tensor, chunk: Chunk) => Tensor = (logits, { from, count, targets }) => {
    const pi = column(pis, from, count, logits); // (n, 1)
    if (!lateInAccuracy) return pi;
    const recited = eq(argmax(logits, { dim: -1, keepdim: true }), targets);
    return where(recited, column(recitedPis, from, count, logits), pi);
  };
  return (logits, chunk) => {
    const { from, count, targets } = chunk;
    const pi = piOf(logits, chunk);
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
    const active = mul(
      toCopy(gtScalar(over, 0), { dtype: logits.dtype }),
      column(hinges, from, count, logits),
    ); // (n, 1)
    const p = exp(logp);
    const gradLogits = sub_(mul(p, rsubScalar(active, 1)), q);
    const loss = addcmul_(cross, active, clamp(over, { min: 0 }));
    return { loss: squeeze(loss, 1), gradLogits: scatterAdd_(gradLogits, 1, targets, active) };
  };
}
