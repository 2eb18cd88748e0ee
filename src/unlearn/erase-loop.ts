/**
 * @file The one loop of all methods: train the texts that are still above their target, measure, keep inside the utility
 * budget, stop at the target, interpolate back to the first point that reaches it. Resumable at every step.
 */
import { breathe, type LossOf } from "../models/index.ts";
import type { Architecture } from "../models/index.ts";
import type { Window } from "../eval/index.ts";
import { batchesOf } from "./batches.ts";
import type { Checkpointing, LoopState } from "./checkpoint.ts";
import { above, isDone, meanLevel, waiting, type Goal, type Level } from "./level.ts";
import type { Optimiser } from "./optimiser.ts";
import { joinedBatch, type Companions } from "./companions.ts";
import { NO_PRESSURE, type Pressure } from "./losses/index.ts";
import { dropSnapshot, restore, takeSnapshot, type Snapshot } from "./snapshot.ts";
import { trainStep } from "./step.ts";
import { tidy } from "../torch/index.ts";
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
      gradNorm: number;
      learningRate: number;
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
  | { type: "backoff"; epoch: number; perplexity: number; learningRate: number };

export type LoopInput = {
  arch: Architecture;
  writer: Writer;
  optimiser: Optimiser;
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
  goal: Goal;
  measure: () => Promise<Measure>;
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
  const { writer, goal, budget, epochs, onEvent } = input;
  const resumed = input.checkpointing?.resumed;
  const before = resumed?.before ?? (await input.measure());
  const state: LoopState = resumed ?? startState(before, goal);
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

  let inside: Snapshot = input.checkpointing?.inside ?? takeSnapshot(writer); // last measured point inside the budget
  try {
    while (state.epoch < epochs) {
      if (state.next === 0) state.epoch++;
      await runEpoch(input, state, inside);
      const now = await input.measure();
      onEvent?.(epochEvent(state, now, goal));
      state.next = 0;
      if (now.perplexity > budget * before.perplexity) {
        restore(writer, inside);
        if (state.backoffs === MAX_BACKOFFS) break;
        state.backoffs++;
        state.scale /= 2;
        input.optimiser.reset();
        onEvent?.({
          type: "backoff",
          epoch: state.epoch,
          perplexity: now.perplexity,
          learningRate: input.lr * state.scale,
        });
        continue;
      }
      noteReached(state, now.levels, goal);
      if (isDone(now.levels, goal)) {
        return outcome("erased", await firstAtGoal(input, state, inside, before, now));
      }
      const { active, targets } = waiting(now.levels, goal);
      state.active = active;
      for (const i of active) {
        const stalled = stalls(state.last.levels[i]!, now.levels[i]!, targets[i]!);
        const pressure = state.pressure[i]!;
        if (stalled) state.pressure[i] = { ...pressure, [stalled]: pressure[stalled] + 1 };
      }
      state.last = now;
      dropSnapshot(inside);
      inside = takeSnapshot(writer);
    }
    const forgot =
      meanLevel(state.last.levels).nll > meanLevel(before.levels).nll * 1.01 ||
      state.last.recited < before.recited;
    return outcome(forgot ? "incomplete" : "refused", state.last);
  } finally {
    dropSnapshot(inside);
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

function startState(before: Measure, goal: Goal): LoopState {
  const active = above(before.levels, goal);
  return {
    epoch: 0,
    step: 0,
    next: 0,
    scale: 1,
    backoffs: 0,
    active: active.length > 0 ? active : before.levels.map((_, i) => i),
    reachedAt: before.levels.map(() => null),
    pressure: before.levels.map(() => NO_PRESSURE),
    before,
    last: before,
  };
}

/** The steps of one epoch from batch `state.next` on. */
async function runEpoch(input: LoopInput, state: LoopState, inside: Snapshot): Promise<void> {
  const { arch, writer, optimiser, windows, tokens, batch, lossOf, companions } = input;
  const { checkpointing, signal } = input;
  const full = Math.min(batch, windows.length);
  const late = new Set(state.active);
  const members = windows.flatMap((w, i) => (late.has(w.text) ? [i] : []));
  const { epoch } = state;
  const batches = batchesOf(members, {
    batch,
    passes: input.passes,
    full,
    seed: input.seed,
    epoch,
  });
  while (state.next < batches.length) {
    const chosen = batches[state.next]!;
    const began = performance.now();
    const warm = Math.min(1, (state.step + 1) / Math.max(1, input.warmup));
    const part = Math.sqrt(chosen.length / full); // Adam's step is as long for two texts as for eight: the rest pays for it
    const lr = input.lr * state.scale * warm * part;
    const result = tidy(() => {
      const joining = companions?.draw(state.step, chosen);
      const { training, own } = joinedBatch(
        chosen.map((m) => windows[m]!),
        chosen.map((m) => tokens[m]!),
        joining,
        companions?.weight,
      );
      const { sequence, rows } = training;
      const first = sequence.slice(0, own);
      const pressure = first.map((b) => state.pressure[windows[chosen[b]!]!.text]!);
      const erasing = lossOf(chosen, rows.targets.slice(0, own), first, pressure);
      const loss = joining?.lossOf({ erasing, own, targets: rows.targets, sequence }) ?? erasing;
      return trainStep(arch, writer, optimiser, training, loss, { lr });
    });
    if (!Number.isFinite(result.loss) || !Number.isFinite(result.gradNorm)) {
      throw new DivergedError(state.step + 1, result.loss);
    }
    state.step++;
    state.next++;
    const seconds = (performance.now() - began) / 1000;
    input.onEvent?.({
      type: "step",
      step: state.step,
      epoch: state.epoch,
      batch: state.next,
      batches: batches.length,
      ...result,
      learningRate: lr,
      seconds,
    });
    if (
      checkpointing !== undefined &&
      (state.step % checkpointing.every === 0 || signal?.aborted === true)
    ) {
      await checkpointing.save(state, writer, optimiser, inside);
    }
    await breathe(signal);
  }
}

/** The loss or a gradient is no number: the step size or the method is at fault. */
export class DivergedError extends Error {
  readonly step: number;
  constructor(step: number, loss: number) {
    super(`erase: expected a finite loss, got ${loss} at step ${step}`);
    this.name = "DivergedError";
    this.step = step;
  }
}

/** Steps back from `now` towards the last snapshot, as far as the goal still holds; what is kept was measured. */
async function firstAtGoal(
  input: LoopInput,
  state: LoopState,
  inside: Snapshot,
  before: Measure,
  now: Measure,
): Promise<Measure> {
  const end = takeSnapshot(input.writer);
  let best = { t: 1, measure: now };
  let low = 0;
  try {
    for (let i = 0; i < HALVINGS; i++) {
      const t = (low + best.t) / 2;
      restore(input.writer, inside, end, t);
      const measure = await input.measure();
      if (
        isDone(measure.levels, input.goal) &&
        measure.perplexity <= input.budget * before.perplexity
      ) {
        best = { t, measure };
      } else low = t;
    }
    restore(input.writer, inside, end, best.t);
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
