/** @file The smallest temperature at which a target distribution is as undecided as it should be. */
import {
  div,
  full,
  logsumexp,
  mul,
  scatterTo,
  softmax,
  sub,
  sumDim,
  tensor,
  tidy,
  maskedFill,
  eqScalar,
  type Tensor,
} from "../torch/index.ts";

export const MAX_TEMPERATURE = 12;
const STEPS = 12; // halvings of [1, 12]: to within .003

/**
 * For each row: the smallest τ in [1, 12] with H(q) >= wanted, q = (1-π)·softmax(z without y / τ) + π·onehot(y); 12 where none
 * is enough. H(q) = h(π) + (1-π)·H(softmax), h the binary entropy, and H(softmax) grows with τ: bisection.
 */
export function temperatures(
  logits: Tensor,
  targets: readonly number[],
  pi: readonly number[],
  wanted: readonly number[],
): number[] {
  const n = targets.length;
  const wantedRest = wanted.map(
    (h, i) => (h - binaryEntropy(pi[i]!)) / Math.max(1 - pi[i]!, 1e-12),
  );
  return tidy(() => {
    const own = tensor(targets, { shape: [n, 1], dtype: "int64" });
    const others = scatterTo(logits, 1, own, full([n, 1], -Infinity, { dtype: logits.dtype }));
    const low = new Array<number>(n).fill(1);
    const high = new Array<number>(n).fill(MAX_TEMPERATURE);
    const enough = (taus: readonly number[]) =>
      entropyAt(others, taus).map((h, i) => h >= wantedRest[i]!);
    enough(low).forEach((ok, i) => ok && (high[i] = 1));
    for (let step = 0; step < STEPS; step++) {
      const middle = low.map((l, i) => (l + high[i]!) / 2);
      enough(middle).forEach((ok, i) => ((ok ? high : low)[i] = middle[i]!));
    }
    return high;
  });
}

const binaryEntropy = (p: number): number =>
  p <= 0 || p >= 1 ? 0 : -p * Math.log(p) - (1 - p) * Math.log1p(-p);

/** H(softmax(z / τ)) per row = logsumexp(z/τ) - Σ p z/τ. */
function entropyAt(logits: Tensor, taus: readonly number[]): number[] {
  return tidy(() => {
    const scaled = div(logits, tensor(taus, { shape: [taus.length, 1], dtype: logits.dtype }));
    const finite = maskedFill(scaled, eqScalar(scaled, -Infinity), 0); // p is 0 there
    const mean = sumDim(mul(softmax(scaled, -1), finite), [-1]);
    return Array.from(sub(logsumexp(scaled, [-1]), mean).toFloats());
  });
}
