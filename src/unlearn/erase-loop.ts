/**
 * @file The one loop of all methods: move against the texts that are still above their target (walk.ts), measure, keep inside
 * the utility budget, stop at the target, interpolate back to the first point that reaches it. Resumable at every step.
 */
import {
  above,
  isDone,
  mostMemorised,
  textsAbove,
  waiting,
  type Goal,
  type Level,
} from "./level.ts";
import type { LoopEvent, LoopInput, LoopOutcome, LoopState, Measure, Walk } from "./loop-types.ts";
import { NO_PRESSURE, type Pressure } from "./losses/index.ts";
import { dropSnapshot, type Snapshot } from "./snapshot.ts";
import { DivergedError } from "./train-walk.ts";
import { walkOf } from "./walk.ts";

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
  if (isDone(before, goal)) return outcome("nothing_to_erase", before);

  const walk = walkOf(input, state);
  let inside: Snapshot = input.checkpointing?.inside ?? walk.snapshot(); // last measured point inside the budget
  try {
    while (state.epoch < epochs) {
      if (state.next === 0) state.epoch++;
      const now = (await diverges(() => walk.advance(inside))) ? undefined : await input.measure();
      if (now !== undefined) onEvent?.(epochEvent(state, now, input));
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
      if (isDone(now, goal)) {
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
      state.last.mean.nll > before.mean.nll * 1.01 || state.last.recited < before.recited;
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

/** Share of the target's nll: a window past the first that rises by less than the second in an epoch hardly moves. */
const [HALFWAY, STALL] = [0.5, 0.05];

/** Where a window is still known too well, and will be: its nll is as it should be already, or no longer gets there. */
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
    shown: 0,
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
        isDone(measure, input.goal) &&
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

function epochEvent(state: LoopState, now: Measure, { goal, windows }: LoopInput): LoopEvent {
  const { accuracy, nll } = now.mean;
  return {
    type: "epoch",
    epoch: state.epoch,
    step: state.step,
    active: textsAbove(now.levels, goal, windows).size,
    memorization_accuracy: accuracy,
    suffix_nll: nll,
    entropy: now.entropy,
    recited: now.recited,
    perplexity: now.perplexity,
  };
}
