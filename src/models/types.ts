/**
 * @file What a causal language model is here: an architecture (pure functions and names) plus its parameters.
 * Shape letters, everywhere: B batch, T tokens, D hidden, H heads, d head dim, V vocabulary, N rows (flattened B·T).
 */
import type { KvCache } from "../nn/index.ts";
import type { DType, Tensor } from "../torch/index.ts";

/** How a model reaches its weights; whoever trains or observes one linear layer stands here, not in the model. */
export type Weights = {
  readonly get: (name: string) => Tensor;
  /** x (…, in) → (…, out) through the linear layer of this name (without ".weight"). */
  readonly linear: (name: string, x: Tensor) => Tensor;
  /** Present where a rule makes the logits a served model is measured with and draws from; training reads the output matrix. */
  readonly logits?: Head | undefined;
  /** Present where nothing is written to the lower blocks: their output, known without running them again. */
  readonly stem?: Stem | undefined;
};

/** How hidden rows (n, D) become logits (n, V). */
export type Head = (rows: Tensor) => Tensor;

/** The blocks below `block`, as a function of token ids. */
export type Stem = {
  readonly block: number;
  /** The input (B, T, D) of `block`, the caller's; undefined for what it does not serve: padding on the left, a cache. */
  readonly hidden: (batch: Batch) => Tensor | undefined;
  readonly dispose: () => void;
};

/** One linear layer. Layers with the same `input` read the same x. */
export type LinearSpec = {
  readonly name: string;
  readonly block: number;
  readonly kind: "attention" | "mlp";
  readonly input: string;
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** Stored (in, out), as GPT-2's Conv1D does. */
  readonly transposed?: boolean;
};

/** Token ids (B, T) and where their rows stand. */
export type Batch = {
  readonly ids: Tensor; // (B, T) int64
  readonly rows: readonly (readonly number[])[];
  /** Padding tokens at the left of each row; 0 when padded on the right or not at all. */
  readonly leftPadding: readonly number[];
  readonly cache?: KvCache | undefined;
};

/** What all blocks of one forward pass share: rotations, masks, the cache. Made by `context`, opaque to others. */
export type Context = { readonly cache: KvCache | undefined };

export type Architecture<C extends Context = Context> = {
  readonly modelType: string;
  readonly layers: number;
  readonly hidden: number;
  readonly vocab: number;
  readonly maxPositions: number;
  /** Shape of every parameter, by its name in the checkpoint. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  readonly linears: readonly LinearSpec[];
  /** Parameters that are no linear layer's, per part: the embedding, each block, the final norm. */
  readonly parts: {
    readonly embed: readonly string[];
    readonly blocks: readonly (readonly string[])[];
    readonly final: readonly string[];
  };
  /** The output matrix (V, D); equal to an embedding's name when tied. */
  readonly head: string;
  /** Checkpoint names that hold no parameter (buffers of old versions, a tied head written out). */
  readonly ignored: RegExp;
  context(batch: Batch, dtype: DType): C;
  embed(w: Weights, batch: Batch, context: C): Tensor; // (B, T, D)
  block(w: Weights, index: number, x: Tensor, context: C): Tensor; // (B, T, D)
  final(w: Weights, x: Tensor, context: C): Tensor; // (B, T, D), normed; logits are final · headᵀ
  /** A cache for so many tokens of the caller's; `kvCache` where a model keeps nothing else. */
  readonly cache?: (capacity: number) => KvCache;
};

/** A row of the MODELS table. */
export type ModelDef = {
  readonly modelType: string;
  readonly summary: string;
  readonly build: (config: Record<string, unknown>) => Architecture;
};
