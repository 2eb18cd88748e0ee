/**
 * @file What an erasing loss is: a loss per scored row with a hand-derived gradient with respect to the logits, so that it
 * runs on chunks of the vocabulary's rows and never needs a graph through the head.
 */
import type { LogitLoss } from "../../models/index.ts";
import type { Tensor } from "../../torch/index.ts";

/** What is known of the rows of one batch besides their logits. */
export type RowContext = {
  /** The true next token of each row. */
  readonly targets: readonly number[];
  /** Which sequence of the batch each row belongs to, 0 … B-1. */
  readonly sequence: readonly number[];
  /** Of each row's text: fixed targets yield to it. */
  readonly pressure: readonly Pressure[];
  /** Hidden rows (N, D) of this batch under the model being trained, and its head: for losses over whole sequences. */
  readonly rows: Tensor;
  readonly head: Tensor;
  /** Where hidden states (as rows of logits) should go, (1, D); present for losses that need it. */
  readonly steer?: Tensor | undefined;
  /** What θ0 thought of these rows; present for losses that need it. */
  readonly reference: ReferenceRows | undefined;
};

/** Epochs in which a text stayed above its target and hardly moved: in likelihood, or in accuracy alone. */
export type Pressure = { readonly likelihood: number; readonly accuracy: number };
export const NO_PRESSURE: Pressure = { likelihood: 0, accuracy: 0 };

/** θ0's view of rows, kept as hidden states: D numbers a row instead of V, exact logits on demand. */
export type ReferenceRows = {
  /** θ0's logits (n, V), float32, of rows [from, from + count). */
  readonly logits: (from: number, count: number) => Tensor;
  /** ln p0(y) per row. */
  readonly logProbability: readonly number[];
  /** Natural level per row (natural.ts); present for losses that need it. */
  readonly natural: readonly NaturalRow[] | undefined;
};

/** The target of a row: true token's mass π, temperature τ of the rest. */
export type NaturalRow = { readonly pi: number; readonly tau: number };

export type ErasingLoss = {
  readonly name: string;
  readonly summary: string;
  readonly formula: string;
  readonly origin: "paper" | "reconstruction" | "ours";
  readonly needs: "nothing" | "reference" | "natural" | "hidden";
  /** The options it reads; others are refused when they are given. */
  readonly options: readonly (keyof LossOptions)[];
  /** The loss of one batch; its rows are averaged by the caller. */
  readonly of: (context: RowContext, options: LossOptions) => LogitLoss;
};

/** Options of all losses; each reads its own. */
export type LossOptions = {
  /** NPO, SimNPO: sharpness; β → 0 is gradient ascent. WGA, SatImp: power of p(y). */
  readonly beta: number;
  /** UNDIAL: how far the true token's logit is lowered. SimNPO: margin. SatImp: power of 1 - p(y). */
  readonly gamma: number;
  /** Natural target: weight of the hinge on the true token. */
  readonly hinge: number;
  /** Label smoothing: the share ε of the label that is spread over all tokens. */
  readonly smoothing: number;
};

export const LOSS_DEFAULTS: LossOptions = { beta: 0.1, gamma: 10, hinge: 1, smoothing: 0.95 };
