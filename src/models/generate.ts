/** @file Completes prompts: greedy or sampled, batched with padding on the left, over a cache of keys and values. */
import { inputError } from "../base/errors.ts";
import { kvCache } from "../nn/index.ts";
import {
  argmax,
  cumsum,
  divScalar,
  gtScalar,
  indexSelect,
  inference,
  manualSeed,
  maskedFill,
  multinomial,
  narrow,
  reshape,
  scatterTo,
  select,
  softmax,
  sort,
  sub,
  tensor,
  tidy,
  topk,
  ltTensor,
  type Tensor,
} from "../torch/index.ts";
import { toBatch } from "./batch.ts";
import { hiddenStates, logitsOf } from "./forward.ts";
import type { Architecture, Weights } from "./types.ts";

export type Sampling = {
  /** 0 is greedy. */
  temperature?: number;
  /** Keep the k likeliest tokens; 0 keeps all. */
  topK?: number;
  /** Keep the smallest set of likeliest tokens whose mass reaches this; 1 keeps all. */
  topP?: number;
  seed?: number;
};

export type GenerateOptions = Sampling & {
  maxTokens: number;
  stopIds?: readonly number[];
  signal?: AbortSignal;
};

/** Continues each prompt by up to `maxTokens` tokens; a row ends behind its first stop token. Returns the new tokens. */
export async function generate(
  arch: Architecture,
  w: Weights,
  prompts: readonly (readonly number[])[],
  { maxTokens, stopIds = [], signal, seed, ...sampling }: GenerateOptions,
): Promise<number[][]> {
  const longest = Math.max(...prompts.map((p) => p.length));
  if (longest + maxTokens > arch.maxPositions) {
    const room = Math.max(0, arch.maxPositions - longest);
    throw inputError(
      `generate: expected at most ${arch.maxPositions} tokens in all (the model's positions), got ${longest} of the prompt + ${maxTokens}`,
      { wayOut: room > 0 ? `ask for ${room} tokens or fewer` : "shorten the prompt" },
    );
  }
  if (seed !== undefined) manualSeed(seed);
  const cache = (arch.cache ?? kvCache)(longest + maxTokens);
  const out = prompts.map(() => [] as number[]);
  const stopped = prompts.map(() => false);
  try {
    const padding = prompts.map((p) => longest - p.length);
    const { distinct, rowOf } = alike(prompts);
    const repeated = distinct.length < prompts.length;
    let next = distinct;
    for (let step = 0; step < maxTokens && stopped.includes(false); step++) {
      const tokens = inference(() =>
        tidy(() => {
          const batch =
            step === 0
              ? toBatch(next, { side: "left", cache })
              : { ...toBatch(next, { cache }), leftPadding: padding };
          const hidden = hiddenStates(arch, w, batch);
          const last = select(hidden, 1, hidden.shape[1]! - 1); // (B, D)
          const logits = logitsOf(arch, w, last);
          if (step > 0 || !repeated) return choose(logits, sampling);
          cache.spread(rowOf);
          return choose(indexSelect(logits, 0, tensor(rowOf, { dtype: "int64" })), sampling);
        }),
      );
      tokens.forEach((id, row) => {
        if (stopped[row]) return;
        out[row]!.push(id);
        stopped[row] = stopIds.includes(id);
      });
      next = tokens.map((id) => [id]);
      await breathe(signal);
    }
  } finally {
    cache.dispose();
  }
  return out;
}

/** Prompts that differ, and which of them each prompt is: many draws from one prompt read it once. */
function alike(prompts: readonly (readonly number[])[]) {
  const places = new Map<string, number>();
  const distinct = prompts.filter((ids) => {
    const key = ids.join(" ");
    if (places.has(key)) return false;
    places.set(key, places.size);
    return true;
  });
  return { distinct, rowOf: prompts.map((ids) => places.get(ids.join(" "))!) };
}

/** One token per row of logits (B, V). */
function choose(logits: Tensor, { temperature = 0, topK = 0, topP = 1 }: Sampling): number[] {
  if (temperature === 0) return argmax(logits, { dim: -1 }).toInts();
  return multinomial(softmax(restrict(divScalar(logits, temperature), topK, topP), -1)).toInts();
}

/** The sampling rule: logits outside the k likeliest, then outside the nucleus of mass p, become -inf. */
export function restrict(logits: Tensor, topK: number, topP: number): Tensor {
  let kept = logits;
  if (topK > 0 && topK < logits.shape[1]!) {
    const [values] = topk(kept, topK);
    kept = maskedFill(kept, ltTensor(kept, narrow(values, 1, topK - 1, 1)), -Infinity);
  }
  if (topP < 1) {
    const [sorted, order] = sort(kept, { descending: true });
    const probabilities = softmax(sorted, -1);
    const before = sub(cumsum(probabilities, -1), probabilities); // mass of the likelier ones
    const cut = maskedFill(sorted, gtScalar(before, topP), -Infinity);
    kept = scatterTo(reshape(kept, kept.shape), 1, order, cut);
  }
  return kept;
}

/** Lets the event loop run between two pieces of work, and ends in AbortError when asked to stop. */
export async function breathe(signal?: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
  signal?.throwIfAborted();
}
