/**
 * @file A model that reads P vectors before every text (prompt tuning, Lester et al. 2021, arXiv 2104.08691). To its callers it
 * is a model like any other: hidden rows are those of the text's own tokens, so row indices, losses and metrics stay as they are.
 */
import { inputError } from "../base/errors.ts";
import { kvCache } from "../nn/index.ts";
import {
  cat,
  detach,
  narrow,
  noGrad,
  reshape,
  select,
  tidy,
  unsqueeze,
  type Tensor,
} from "../torch/index.ts";
import { toBatch } from "./batch.ts";
import type { Architecture, Batch, Context, Weights } from "./types.ts";

/** Name under which weights give the prompt (P, D): what the first block reads, positions included. */
export const SOFT_PROMPT = "soft_prompt";

type PromptedContext = Context & {
  readonly inner: Context;
  readonly batch: Batch;
  /** Columns at the front that are not the caller's: P, or 0 behind the first call over a cache. */
  readonly added: number;
};

/** Stands in for the prompt where ids are asked for; its embedding is not used. */
const PLACEHOLDER = 0;

/** `arch` with the prompt of its weights before the first token of every row, behind padding on the left. */
export function prompted(arch: Architecture, length: number): Architecture<PromptedContext> {
  return {
    ...arch,
    maxPositions: arch.maxPositions - length,
    parts: { ...arch.parts, embed: [...arch.parts.embed, SOFT_PROMPT] },
    cache: (capacity) => (arch.cache ?? kvCache)(capacity + length),
    context(batch, dtype) {
      const first = (batch.cache?.length ?? 0) === 0; // later calls find the prompt in the cache
      const long = first ? lengthened(batch, length) : batch;
      const added = first ? length : 0;
      const reached = (batch.cache?.length ?? 0) + long.rows[0]!.length;
      if (reached > arch.maxPositions) {
        throw inputError(
          `soft prompt: expected texts of at most ${arch.maxPositions - length} tokens behind ${length} of the prompt, got ${reached - length}`,
          { wayOut: "lower --prompt-tokens, or --prefix-tokens and --suffix-tokens" },
        );
      }
      return { cache: batch.cache, inner: arch.context(long, dtype), batch: long, added };
    },
    embed(w, _, { inner, batch, added }) {
      const x = arch.embed(w, batch, inner); // (B, P + T, D)
      return added === 0 ? x : withPrompt(x, w.get(SOFT_PROMPT), batch.leftPadding);
    },
    block: (w, i, x, { inner }) => arch.block(w, i, x, inner),
    // a row's own token t stands in column P + t, however the row is padded
    final: (w, x, { inner, added }) =>
      arch.final(w, added === 0 ? x : narrow(x, 1, added, x.shape[1]! - added), inner),
  };
}

/** The batch with P placeholders before each row's first own token. */
function lengthened({ rows, leftPadding, cache }: Batch, length: number): Batch {
  const filler = new Array<number>(length).fill(PLACEHOLDER);
  const longer = rows.map((row, b) => [
    ...row.slice(0, leftPadding[b]),
    ...filler,
    ...row.slice(leftPadding[b]),
  ]);
  return { ...toBatch(longer), leftPadding, cache };
}

/**
 * The embedded batch (B, P + T, D) with the prompt (P, D) in the places of its placeholders. Row by row, so that the gradient of the
 * prompt is a sum in a fixed order, on a GPU too.
 */
function withPrompt(x: Tensor, prompt: Tensor, leftPadding: readonly number[]): Tensor {
  const [tokens, length] = [x.shape[1]!, prompt.shape[0]!];
  const rows = leftPadding.map((padding, b) => {
    const own = select(x, 0, b); // (P + T, D)
    const end = padding + length;
    const parts = [narrow(own, 0, 0, padding), prompt, narrow(own, 0, end, tokens - end)];
    return unsqueeze(cat(parts), 0);
  });
  return cat(rows);
}

/** What the model itself reads for these tokens (P) at the start of a text: a prompt (P, D) to begin with. */
export function promptOf(arch: Architecture, w: Weights, tokens: readonly number[]): Tensor {
  return noGrad(() =>
    tidy(() => {
      const batch = toBatch([tokens]);
      const embedded = arch.embed(w, batch, arch.context(batch, w.get(arch.head).dtype)); // (1, P, D)
      return detach(reshape(embedded, [tokens.length, arch.hidden]));
    }),
  );
}
