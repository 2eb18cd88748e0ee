/**
 * @file Causal attention over a batch: full or windowed, left-padded or not, with or without a cache of keys and values.
 * A mask is built only when the causal kernel cannot do without one.
 */
import {
  attention as kernel,
  copy_,
  disposeAll,
  empty,
  fromBytes,
  indexSelect,
  keep,
  narrow,
  tensor,
  tidy,
  toDevice,
  type DType,
  type Tensor,
} from "../torch/index.ts";

/** Keys and values of what was read so far, one pair of buffers (B, Hk, capacity, d) a layer. */
export type KvCache = {
  readonly capacity: number;
  /** Tokens held; advanced by whoever ran all layers, not by the layers. */
  length: number;
  readonly layers: ({ k: Tensor; v: Tensor } | undefined)[];
  /** Makes row i what row `from[i]` was, for as many rows as are named: prompts that are alike are read once. */
  spread(from: readonly number[]): void;
  dispose(): void;
};

export function kvCache(capacity: number): KvCache {
  const layers: KvCache["layers"] = [];
  const spread = (from: readonly number[]) =>
    tidy(() => {
      const rows = tensor(from, { dtype: "int64" });
      layers.forEach((held, i) => {
        layers[i] = held && {
          k: keep(indexSelect(held.k, 0, rows)),
          v: keep(indexSelect(held.v, 0, rows)),
        };
        disposeAll([held]);
      });
    });
  return { capacity, length: 0, layers, spread, dispose: () => disposeAll(layers) };
}

/** What a batch means for attention: padding on the left of each row, and what the cache already holds. */
export type Span = {
  batch: number;
  tokens: number;
  padding: readonly number[];
  cache: KvCache | undefined;
};

export const noPadding = (batch: number): number[] => new Array<number>(batch).fill(0);

/**
 * Additive mask (B, 1, T, S), 0 where query t may see key s and -inf where not, or undefined when the plain causal rule
 * says it all. `window`: a query sees itself and the window - 1 tokens before it.
 */
export function attentionMask(
  { batch, tokens, padding, cache }: Span,
  { window = Infinity, dtype }: { window?: number; dtype: DType },
): Tensor | undefined {
  const past = cache?.length ?? 0;
  const keys = past + tokens;
  const padded = padding.some((p) => p > 0);
  const plain = past === 0 || tokens === 1; // causal kernel, or one query that sees all
  if (!padded && plain && keys <= window) return undefined;
  const width = dtype === "bfloat16" ? 2 : 4;
  const bytes = new Uint8Array(batch * tokens * keys * width);
  const cells = width === 2 ? new Uint16Array(bytes.buffer) : new Float32Array(bytes.buffer);
  const hidden = width === 2 ? 0xff80 : -Infinity; // bfloat16 -inf by its bits
  for (let b = 0, at = 0; b < batch; b++) {
    const start = padding[b]!;
    for (let t = past; t < keys; t++) {
      for (let s = 0; s < keys; s++, at++) {
        const own = s === t; // a padded query sees itself, so that no row is all -inf
        if (!own && (s > t || s < start || s <= t - window)) cells[at] = hidden;
      }
    }
  }
  const stored = dtype === "bfloat16" ? "bfloat16" : "float32";
  return toDevice(fromBytes(bytes, [batch, 1, tokens, keys], stored));
}

/**
 * softmax(q kᵀ · scale) v under the causal rule or `mask`; q (B, H, T, d), k and v (B, Hk, T, d) → (B, H, T, d).
 * With a cache, k and v are appended to it and the whole past is attended to.
 */
export function attend(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  {
    layer,
    cache,
    mask,
    scale,
  }: { layer: number; cache: KvCache | undefined; mask: Tensor | undefined; scale: number },
): Tensor {
  const enableGqa = q.shape[1] !== k.shape[1];
  const tokens = q.shape[2]!;
  if (cache === undefined) {
    return kernel(q, k, v, { attnMask: mask, isCausal: mask === undefined, scale, enableGqa });
  }
  const { keys, values } = remember(cache, layer, k, v);
  return kernel(q, keys, values, {
    attnMask: mask,
    isCausal: mask === undefined && tokens > 1,
    scale,
    enableGqa,
  });
}

function remember(
  cache: KvCache,
  layer: number,
  k: Tensor,
  v: Tensor,
): { keys: Tensor; values: Tensor } {
  const [batch, heads, tokens, dim] = k.shape as [number, number, number, number];
  const end = cache.length + tokens;
  if (end > cache.capacity) {
    throw new RangeError(
      `attend: expected at most ${cache.capacity} tokens in the cache, got ${end}`,
    );
  }
  const held = (cache.layers[layer] ??= tidy(() => ({
    k: keep(empty([batch, heads, cache.capacity, dim], { dtype: k.dtype })),
    v: keep(empty([batch, heads, cache.capacity, dim], { dtype: k.dtype })),
  })));
  copy_(narrow(held.k, 2, cache.length, tokens), k);
  copy_(narrow(held.v, 2, cache.length, tokens), v);
  return { keys: narrow(held.k, 2, 0, end), values: narrow(held.v, 2, 0, end) };
}
