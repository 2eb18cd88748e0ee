/**
 * @file The one loop of all methods: move against the texts that are still above their target (walk.ts), measure, keep inside
 * the utility budget, stop at the target, interpolate back to the first point that reaches it. Resumable at every step.
 */
import type { Architecture, LossOf } from "../models/index.ts";
import type { Window } from "../eval/index.ts";
import type { Checkpointing, LoopState } from "./checkpoint.ts";
import type { Dial } from "./dial.ts";
import {
  above,
  isDone,
  meanLevel,
  mostMemorised,
  waiting,
  type Goal,
  type Level,
} from "./level.ts";
import type { Optimiser } from "./optimiser.ts";
import type { Companions } from "./companions.ts";
import { NO_PRESSURE, type Pressure } from "./losses/index.ts";
import type { Stepper } from "./step.ts";
import { dropSnapshot, type Snapshot } from "./snapshot.ts";
import { DivergedError } from "./train-walk.ts";
import { walkOf, type Walk } from "./walk.ts";
import type { Writer } from "./writers/types.ts";

/** What one measurement says: levels per text, held-out perplexity, texts recited, mean entropy. */
export type Measure = { levels: Level[]; perplexity: number; recited: number; entropy: number };

export type LoopEvent =
  | {
      type: "step";
      step: number;
      epoch: number;
      /** This step's number in the epoch, and how many there are. */
      batch: number;
      batches: number;
      loss: number;
      gradNorm?: number;
      /** |ρ|, for steps without a gradient. */
      slope?: number;
      /** λ of a constraint as it was in this step, and D as the step saw it. */
      dual?: number;
      divergence?: number;
      learningRate: number;
      seconds: number;
    }
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
  texts: number;
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
  /** Step after which each text was first measured at its target; null when it never was. */
  reachedAt: (number | null)[];
};

const MAX_BACKOFFS = 3;
const HALVINGS = 3; // of the last epoch, when looking for the first point at the target

/** Runs until the goal, the end of epochs, or the gate says stop; the writer then holds the weights to keep. */
export async function eraseLoop(input: LoopInput): Promise<LoopOutcome> {
  const { goal, budget, epochs, onEvent } = input;
  const resumed = input.checkpointing?.resumed;
  const before = resumed?.before ?? (await (input.measureBefore ?? input.measure)());
  const state: LoopState = resumed ?? startState(before, input);
  const outcome = (status: LoopOutcome["status"], after: Measure): LoopOutcome => ({
    status,
    before,
    after,
    epochs: state.epoch,
    steps: state.step,
    backoffs: state.backoffs,
    reachedAt: state.reachedAt,
  });
  if (isDone(before.levels, goal)) return outcome("nothing_to_erase", before);

  const walk = walkOf(input, state);
  let inside: Snapshot = input.checkpointing?.inside ?? walk.snapshot(); // last measured point inside the budget
  try {
    while (state.epoch < epochs) {
      if (state.next === 0) state.epoch++;
      const now = (await diverges(() => walk.advance(inside))) ? undefined : await input.measure();
      if (now !== undefined) onEvent?.(epochEvent(state, now, goal));
      state.next = 0;
      if (now === undefined || !(now.perplexity <= budget * before.perplexity)) {
        walk.restore(inside);
        if (state.backoffs === MAX_BACKOFFS) break;
        state.backoffs++;
        state.scale /= 2;
        walk.forget();
        onEvent?.({
          type: "backoff",
          epoch: state.epoch,
          perplexity: now?.perplexity ?? null,
          learningRate: input.lr * state.scale,
        });
        continue;
      }
      noteReached(state, now.levels, goal);
      if (isDone(now.levels, goal)) {
        return outcome("erased", await firstAtGoal(input, walk, state, inside, now));
      }
      const { active, targets } = waiting(now.levels, goal);
      state.active = mostMemorised(now.levels, active, input.threshold ?? null);
      for (const i of active) {
        const stalled = stalls(state.last.levels[i]!, now.levels[i]!, targets[i]!);
        const pressure = state.pressure[i]!;
        if (stalled) state.pressure[i] = { ...pressure, [stalled]: pressure[stalled] + 1 };
      }
      state.last = now;
      dropSnapshot(inside);
      inside = walk.snapshot();
    }
    const forgot =
      meanLevel(state.last.levels).nll > meanLevel(before.levels).nll * 1.01 ||
      state.last.recited < before.recited;
    return outcome(forgot ? "incomplete" : "refused", state.last);
  } finally {
    dropSnapshot(inside);
  }
}

/** A step without a finite loss or gradient is outside any budget: a method that collapses is a result, not a crash. */
async function diverges(advance: () => Promise<void>): Promise<boolean> {
  try {
    await advance();
    return false;
  } catch (error) {
    if (error instanceof DivergedError) return true;
    throw error;
  }
}

/** Share of the target's nll: a text past the first that rises by less than the second in an epoch hardly moves. */
const [HALFWAY, STALL] = [0.5, 0.05];

/** Where a text is still known too well, and will be: its nll is as it should be already, or no longer gets there. */
function stalls(before: Level, now: Level, target: Level): keyof Pressure | undefined {
  if (now.nll >= target.nll) return "accuracy";
  const hangs = now.nll >= HALFWAY * target.nll && now.nll - before.nll < STALL * target.nll;
  return hangs ? "likelihood" : undefined;
}

function startState(before: Measure, { goal, threshold = null }: LoopInput): LoopState {
  const late = above(before.levels, goal);
  const active = late.length > 0 ? late : before.levels.map((_, i) => i);
  return {
    epoch: 0,
    step: 0,
    next: 0,
    scale: 1,
    strength: 0,
    dual: 0,
    backoffs: 0,
    active: mostMemorised(before.levels, active, threshold),
    reachedAt: before.levels.map(() => null),
    pressure: before.levels.map(() => NO_PRESSURE),
    before,
    last: before,
  };
}

/** Steps back from `now` towards the last snapshot, as far as the goal still holds; what is kept was measured. */
async function firstAtGoal(
  input: LoopInput,
  walk: Walk,
  state: LoopState,
  inside: Snapshot,
  now: Measure,
): Promise<Measure> {
  const end = walk.snapshot();
  let best = { t: 1, measure: now };
  let low = 0;
  try {
    for (let i = 0; i < HALVINGS; i++) {
      const t = (low + best.t) / 2;
      walk.restore(inside, end, t);
      const measure = await input.measure();
      if (
        isDone(measure.levels, input.goal) &&
        measure.perplexity <= input.budget * state.before.perplexity
      ) {
        best = { t, measure };
      } else low = t;
    }
    walk.restore(inside, end, best.t);
    noteReached(state, best.measure.levels, input.goal);
    return best.measure;
  } finally {
    dropSnapshot(end);
  }
}

function noteReached(state: LoopState, levels: readonly Level[], goal: Goal): void {
  const late = new Set(above(levels, goal));
  levels.forEach((_, i) => {
    if (late.has(i)) {
      state.reachedAt[i] = null;
    } // it came back
    else state.reachedAt[i] ??= state.step;
  });
}

function epochEvent(state: LoopState, now: Measure, goal: Goal): LoopEvent {
  const { accuracy, nll } = meanLevel(now.levels);
  return {
    type: "epoch",
    epoch: state.epoch,
    step: state.step,
    active: above(now.levels, goal).length,
    memorization_accuracy: accuracy,
    suffix_nll: nll,
    entropy: now.entropy,
    recited: now.recited,
    perplexity: now.perplexity,
  };
}
