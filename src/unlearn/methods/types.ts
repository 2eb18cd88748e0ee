/** @file A method is a loss, a selector and the settings they were found to work with; flags override any of them. */
import { LOSS_DEFAULTS, type LossName } from "../losses/index.ts";
import type { DialName } from "../dials/index.ts";
import type { OptimiserName } from "../optimiser.ts";
import type { Positions } from "../rows.ts";
import type { CompanionName } from "../companions.ts";
import type { Rounding } from "../rounding.ts";
import type { Scope } from "../scope.ts";
import type { Per } from "../select/types.ts";

export type MethodSettings = {
  /** Weights, a mask over them, or what acts when the model runs: P vectors before every text, a rule on logits. */
  readonly writes: "weights" | "mask" | "prompt" | "decoding";
  readonly promptTokens: number;
  readonly loss: LossName;
  readonly select: string;
  readonly fraction: number;
  readonly per: Per;
  readonly scope: Scope;
  /** Share of the blocks, from the first on, that stay as they are. */
  readonly frozen: number;
  readonly rank: number;
  readonly ridge: number;
  /** Groups of texts, each with its share of the directions, contrasted with the others' as with ordinary text. */
  readonly groups: number;
  /** Own samples for each text, of its kind: what directions are contrasted with beside samples of any kind. */
  readonly samples: number;
  /** Bits of the rounded twin that some steps are taken in, so that what is forgotten stays so when served like that. */
  readonly rounding: Rounding;
  /** How far each weight of the twin of every second step goes to recite some of the texts again; 0: it is taught none. */
  readonly relearning: number;
  readonly project: "self" | "none";
  /** Whether steps in directions are shorter where own samples feel a change of a layer's output. */
  readonly precondition: "self" | "none";
  readonly positions: Positions;
  readonly optimiser: OptimiserName;
  readonly lr: number;
  readonly warmup: number;
  readonly epochs: number;
  /** How often the texts above their target are passed over between two measurements. */
  readonly passes: number;
  readonly batch: number;
  readonly beta: number;
  readonly gamma: number;
  readonly hinge: number;
  readonly smoothing: number;
  /** What joins every step, and the weight α of retain text. */
  readonly companion: CompanionName;
  readonly alpha: number;
  /** What must hold on text to keep, as in kl=0.05, or none; how fast its weight follows. */
  readonly constraint: string;
  readonly dualRate: number;
  /** Suffix accuracy above which a text is trained on; null: every text above its target is. */
  readonly threshold: number | null;
  /** RMU: block whose output is steered, null for a quarter of the depth; length of what it is steered to, over its own. */
  readonly layer: number | null;
  readonly coefficient: number;
  /** What is turned up in place of training, where anything is: `lr` is a notch, `epochs` the most notches. */
  readonly dial: DialName | "none";
  /** Passes over the forget set, and learning rate, of the fine-tuning that task arithmetic and contrastive decoding go against. */
  readonly tunePasses: number;
  readonly tuneLr: number;
};

export type Method = {
  readonly name: string;
  readonly summary: string;
  readonly origin: "paper" | "reconstruction" | "ours";
  readonly settings: MethodSettings;
};

/** What methods agree on unless they say otherwise. */
export const COMMON = {
  writes: "weights",
  promptTokens: 0,
  select: "dense",
  fraction: 1,
  per: "global",
  scope: "all",
  frozen: 0,
  rank: 64,
  ridge: 0.005,
  groups: 1,
  samples: 0,
  rounding: "none",
  relearning: 0,
  project: "none",
  precondition: "none",
  positions: "all",
  optimiser: "adamw",
  warmup: 4,
  epochs: 40,
  passes: 1,
  batch: 8,
  ...LOSS_DEFAULTS,
  companion: "none",
  alpha: 1,
  constraint: "none",
  dualRate: 10,
  threshold: null,
  layer: null,
  coefficient: 1,
  dial: "none",
  tunePasses: 10,
  tuneLr: 1e-5,
} as const satisfies Partial<MethodSettings>;
