/**
 * @file Exact top-k over many tensors without sorting them: the k-th largest value by bisection over the ordered bits of
 * float32, then every larger value, then ties by index. Needs one boolean buffer besides the scores.
 */
import {
  eqScalar,
  gtScalar,
  keep,
  nonzero,
  noGrad,
  reshape,
  squeeze,
  narrow,
  sum,
  tidy,
  cat,
  sort,
  type Tensor,
} from "../../torch/index.ts";

const floats = new Float32Array(1);
const bits = new Int32Array(floats.buffer);

/** Order-preserving map between float32 and 32-bit integers: -inf … +inf. */
function toKey(value: number): number {
  floats[0] = value;
  return bits[0]! >= 0 ? bits[0]! : -(bits[0]! & 0x7fffffff) - 1;
}
function fromKey(key: number): number {
  bits[0] = key >= 0 ? key : -(key + 1) | 0x80000000;
  return floats[0]!;
}

const count = (scores: readonly Tensor[], threshold: number): number =>
  scores.reduce((n, s) => n + tidy(() => sum(gtScalar(s, threshold)).toInts()[0]!), 0);

/** The k-th largest value over all tensors (1 <= k <= their size). */
export function kthLargest(scores: readonly Tensor[], k: number): number {
  // largest key whose value has fewer than k values above it is at or above the answer
  let low = toKey(-Infinity); // at least k values are above it (all finite ones)
  let high = toKey(Infinity); // fewer than k are
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (count(scores, fromKey(middle)) >= k) low = middle;
    else high = middle;
  }
  return fromKey(high);
}

/** Flat indices (int64, ascending) of the k largest values over all tensors; equal values by tensor, then by index. */
export function topIndices(scores: ReadonlyMap<string, Tensor>, k: number): Map<string, Tensor> {
  return noGrad(() => {
    const list = [...scores.values()];
    const threshold = kthLargest(list, k);
    let ties = k - count(list, threshold);
    const out = new Map<string, Tensor>();
    for (const [name, score] of scores) {
      const { index, used } = tidy(() => {
        const flat = reshape(score, [-1]);
        const above = squeeze(nonzero(gtScalar(flat, threshold)), 1);
        const equal = squeeze(nonzero(eqScalar(flat, threshold)), 1);
        const used = Math.min(ties, equal.size);
        const [ordered] = sort(cat([above, narrow(equal, 0, 0, used)]));
        return { index: keep(ordered), used };
      });
      ties -= used;
      out.set(name, index);
    }
    return out;
  });
}
