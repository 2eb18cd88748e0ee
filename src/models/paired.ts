/**
 * @file Two models of one architecture side by side, for rules that compare what both say: hidden rows stand one behind the other,
 * (B, T, 2 D), and each has its own cache of keys and values.
 */
import { kvCache, type KvCache } from "../nn/index.ts";
import { cat, narrow, type Tensor } from "../torch/index.ts";
import type { Architecture, Context, Weights } from "./types.ts";

type PairedContext = Context & { readonly own: Context; readonly other: Context };
type PairedCache = KvCache & { readonly beside: KvCache };

/** `arch` under the weights it is given, and under those of `beside`; logits are made of both by a rule. */
export function paired(arch: Architecture, beside: Weights): Architecture<PairedContext> {
  const both = (x: Tensor, run: (half: Tensor, second: boolean) => Tensor): Tensor => {
    const width = x.shape[2]! / 2;
    const half = (from: number) => narrow(x, 2, from, width); // (B, T, D)
    return cat([run(half(0), false), run(half(width), true)], { dim: 2 });
  };
  return {
    ...arch,
    cache: (capacity) => pairedCache(arch.cache ?? kvCache, capacity),
    context(batch, dtype) {
      const cache = besideOf(batch.cache);
      const own = arch.context(batch, dtype);
      return { cache: batch.cache, own, other: arch.context({ ...batch, cache }, dtype) };
    },
    embed: (w, batch, { own, other }) =>
      cat([arch.embed(w, batch, own), arch.embed(beside, batch, other)], { dim: 2 }),
    block: (w, i, x, { own, other }) =>
      both(x, (half, second) =>
        second ? arch.block(beside, i, half, other) : arch.block(w, i, half, own),
      ),
    final: (w, x, { own, other }) =>
      both(x, (half, second) =>
        second ? arch.final(beside, half, other) : arch.final(w, half, own),
      ),
  };
}

function pairedCache(make: (capacity: number) => KvCache, capacity: number): PairedCache {
  const own = make(capacity);
  const beside = make(capacity);
  const both = [own, beside];
  return {
    ...own,
    beside,
    spread: (from) => both.forEach((cache) => cache.spread(from)),
    dispose: () => both.forEach((cache) => cache.dispose()),
  };
}

/** The second model's cache, as far along as the first: whoever ran all layers advances that one. */
function besideOf(cache: KvCache | undefined): KvCache | undefined {
  if (cache === undefined) return undefined;
  const { beside } = cache as PairedCache;
  beside.length = cache.length;
  return beside;
}
