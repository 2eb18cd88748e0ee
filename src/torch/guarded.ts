/**
 * @file The only way to operators whose kernels trust their operands (ops.list.ts says why for each): the checks come
 * first, the call after. A wrong operand is an exception here; there it would be a crash or a silent wrong number.
 */
import * as raw from "./ops.generated.ts";
import { noGrad } from "./autograd.ts";
import { tidy } from "./scope.ts";
import type { Tensor } from "./tensor.ts";

const show = (t: Tensor): string => `${t.dtype}[${t.shape.join(", ")}]`;

function requireIndices(where: string, indices: Tensor, rows: number): void {
  if (indices.dtype !== "int64") {
    throw new TypeError(`${where}: expected int64 indices, got ${indices.dtype}`);
  }
  if (indices.size === 0) return;
  const [low, high] = tidy(() =>
    noGrad(() => {
      const flat = raw.reshape(indices, [-1]);
      return [raw.neg(raw.amax(raw.neg(flat))).item(), raw.amax(flat).item()] as const;
    }),
  );
  if (low < 0 || high >= rows) {
    throw new RangeError(`${where}: expected indices in [0, ${rows}), got ${low < 0 ? low : high}`);
  }
}

/** Rows of `weight` (V, D) at `ids` (…) → (…, D). */
export function embedding(weight: Tensor, ids: Tensor): Tensor {
  if (weight.shape.length !== 2) {
    throw new RangeError(`embedding: expected weight (V, D), got ${show(weight)}`);
  }
  requireIndices("embedding", ids, weight.shape[0]!);
  return raw.embedding(weight, ids);
}

/** Adds the rows of `source` to `self` along `dim` at `index`, in place. */
export function indexAdd_(self: Tensor, dim: number, index: Tensor, source: Tensor): Tensor {
  const rows = self.shape[dim];
  if (rows === undefined) {
    throw new RangeError(`indexAdd_: expected a dimension of ${show(self)}, got ${dim}`);
  }
  requireIndices("indexAdd_", index, rows);
  return raw.indexAdd_(self, dim, index, source);
}

type AttentionOptions = {
  attnMask?: Tensor | undefined;
  isCausal?: boolean;
  scale?: number;
  enableGqa?: boolean;
};

/** softmax(q kᵀ · scale + mask) v; q (B, H, T, d), k and v (B, Hk, S, d). */
export function attention(q: Tensor, k: Tensor, v: Tensor, o: AttentionOptions = {}): Tensor {
  for (const [name, t] of Object.entries({ q, k, v })) {
    if (t.shape.length !== 4 || t.size === 0) {
      throw new RangeError(
        `attention: expected ${name} as (B, H, T, d) without empty sizes, got ${show(t)}`,
      );
    }
  }
  return raw.scaledDotProductAttention(q, k, v, o);
}

/** Row-wise draws of one index, with replacement, from non-negative weights (N, V) → (N, 1). */
export function multinomial(weights: Tensor): Tensor {
  const good = tidy(() => {
    const rows = raw.sumDim(weights, [-1]);
    const fine = raw.logicalAnd(raw.all(raw.geScalar(weights, 0)), raw.all(raw.gtScalar(rows, 0)));
    return raw.logicalAnd(fine, raw.all(raw.isfinite(rows))).item() === 1;
  });
  if (!good) {
    throw new RangeError("multinomial: expected rows of finite weights with a positive sum");
  }
  return raw.multinomial(weights, 1, { replacement: true });
}

export type AdamWState = {
  params: Tensor[];
  grads: Tensor[];
  means: Tensor[];
  squares: Tensor[];
  steps: Tensor[];
};
export type AdamWOptions = {
  lr: number;
  beta1: number;
  beta2: number;
  weightDecay: number;
  eps: number;
};

/** One fused AdamW step in place; the five lists run in parallel, `steps` are float32 scalars. */
export function fusedAdamW_(state: AdamWState, options: AdamWOptions): void {
  const { params, grads, means, squares, steps } = state;
  for (const list of [grads, means, squares, steps]) {
    if (list.length !== params.length) {
      throw new RangeError(
        `fusedAdamW_: expected ${params.length} tensors in every list, got ${list.length}`,
      );
    }
  }
  params.forEach((p, i) => {
    for (const t of [grads[i]!, means[i]!, squares[i]!]) {
      if (t.size !== p.size || t.dtype !== p.dtype) {
        throw new RangeError(`fusedAdamW_: expected ${show(p)}, got ${show(t)}`);
      }
    }
    if (steps[i]!.size !== 1 || steps[i]!.dtype !== "float32") {
      throw new RangeError(`fusedAdamW_: expected steps of float32[], got ${show(steps[i]!)}`);
    }
  });
  if (params.length === 0) return;
  for (const step of steps) raw.addScalar_(step, 1);
  const { lr, beta1, beta2, weightDecay, eps } = options;
  raw.fusedAdamW_(
    params,
    grads,
    means,
    squares,
    [],
    steps,
    lr,
    beta1,
    beta2,
    weightDecay,
    eps,
    false,
    false,
  );
}
