/** @file What the loop of all methods and its parts speak of: its input, its place, its measurements, how it moves, what comes out. */
import type { Window } from "../eval/index.ts";
import type { Architecture, LossOf } from "../models/index.ts";
import type { Companions } from "./companions.ts";
import type { Goal, Standing } from "./level.ts";
import type { Pressure } from "./losses/index.ts";
import type { Optimiser } from "./optimiser.ts";
import type { Snapshot } from "./snapshot.ts";
import type { Stepper } from "./step.ts";
import type { Writer } from "./writers/types.ts";

/** What one measurement says: where the set stands, held-out perplexity, texts recited, mean entropy. */
export type Measure = Standing & { perplexity: number; recited: number; entropy: number };

/** The loop's place: everything but tensors. `next` is the batch of the epoch that comes next, 0 between epochs. */
export type LoopState = {
  epoch: number;
  step: number;
  /** Windows that were trained, each as often as it was. */
  shown: number;
  next: number;
  /** Factor on the learning rate after back-offs. */
  scale: number;
  /** Where the dial stands; 0 for methods that train. */
  strength: number;
  /** λ of a constraint; 0 without one. */
  dual: number;
  backoffs: number;
  /** The windows that the next epoch trains on. */
  active: number[];
  /** One per window, as are pressures. */
  reachedAt: (number | null)[];
  pressure: Pressure[];
  before: Measure;
  /** The last measurement inside the budget. */
  last: Measure;
};

export type Checkpointing = {
  readonly every: number;
  readonly resumed?: LoopState | undefined;
  readonly inside?: Snapshot | undefined;
  readonly save: (
    state: LoopState,
    writer: Writer,
    optimiser: Optimiser,
    inside: Snapshot,
  ) => Promise<void>;
};

export type Walk = {
  /** One epoch from the loop's place on, saving on the way; `inside` is the last snapshot inside the budget. */
  readonly advance: (inside: Snapshot) => Promise<void>;
  readonly snapshot: () => Snapshot;
  /** Goes to a snapshot, or to the point `t` of the way from it to `to`. */
  readonly restore: (from: Snapshot, to?: Snapshot, t?: number) => void;
  /** After a step back: what was gathered on the way is forgotten. */
  readonly forget: () => void;
};

/** What is turned where nothing is trained. */
export type Dial = {
  readonly name: string;
  /** Brings the writer's variables, or a decoding rule, to the point of this strength; 0 is θ0. */
  readonly set: (strength: number) => void;
};

/** What every training step tells of itself. */
export type StepEvent = {
  type: "step";
  step: number;
  epoch: number;
  /** This step's number in the epoch, and how many there are. */
  batch: number;
  batches: number;
  loss: number;
  learningRate: number;
};

export type LoopEvent =
  | (StepEvent & {
      gradNorm?: number;
      /** |ρ|, for steps without a gradient. */
      slope?: number;
      /** λ of a constraint as it was in this step, and D as the step saw it. */
      dual?: number;
      divergence?: number;
      seconds: number;
    })
  | {
      /** A dial was turned: `strength` is where it stands, `notch` how far it went. */
      type: "notch";
      step: number;
      epoch: number;
      dial: string;
      strength: number;
      notch: number;
      seconds: number;
    }
  | {
      type: "epoch";
      epoch: number;
      step: number;
      /** Texts above their target. */
      active: number;
      memorization_accuracy: number;
      suffix_nll: number;
      entropy: number;
      recited: number;
      perplexity: number;
    }
  /** `perplexity`: null where a step's loss or gradient was no number. */
  | { type: "backoff"; epoch: number; perplexity: number | null; learningRate: number };

export type LoopInput = {
  /** What steps run in. */
  arch: Architecture;
  writer: Writer;
  optimiser: Optimiser;
  /** How a step is taken, where not by the optimiser along the gradient of the weights themselves. */
  stepper?: Stepper | undefined;
  /** Called where an epoch begins, with the weights as they are there. */
  begin?: ((epoch: number) => void) | undefined;
  windows: readonly Window[];
  tokens: readonly (readonly number[])[];
  lossOf: (
    members: readonly number[],
    targets: readonly number[],
    sequence: readonly number[],
    pressure: readonly Pressure[],
  ) => LossOf;
  /** Text that joins every step: to hold the model in place, or to be said instead. */
  companions?: Companions | undefined;
  /** Turned by a notch of `lr` in place of an epoch of training. */
  dial?: Dial | undefined;
  /** Suffix accuracy above which a text is trained on, where not every text above its target is. */
  threshold?: number | null;
  goal: Goal;
  measure: () => Promise<Measure>;
  /** θ0, where the writer does not start there; else `measure` says it. */
  measureBefore?: (() => Promise<Measure>) | undefined;
  /** Largest allowed perplexity relative to the start. */
  budget: number;
  lr: number;
  warmup: number;
  /** Most measured epochs. */
  epochs: number;
  /** How often the texts above their target are passed over in an epoch. */
  passes: number;
  batch: number;
  seed: number;
  checkpointing?: Checkpointing | undefined;
  signal?: AbortSignal | undefined;
  onEvent?: ((event: LoopEvent) => void) | undefined;
};

export type LoopOutcome = {
  status: "erased" | "incomplete" | "refused" | "nothing_to_erase";
  before: Measure;
  after: Measure;
  epochs: number;
  steps: number;
  backoffs: number;
  /** Step after which each window was last found to have come to its target; null where it is above it. */
  reachedAt: (number | null)[];
};
