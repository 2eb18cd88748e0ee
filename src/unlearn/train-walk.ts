/** @file An epoch of training: the windows still above their target, batch by batch, with a checkpoint on the way. */
import { meanOf } from "../eval/index.ts";
import { breathe } from "../models/index.ts";
import { tidy } from "../torch/index.ts";
import { batchesOf } from "./batches.ts";
import { joinedBatch } from "./companions.ts";
import { nextDual } from "./constraint.ts";
import type { LoopInput, LoopState, Walk } from "./loop-types.ts";
import { dropSnapshot, restore, takeSnapshot, type Snapshot } from "./snapshot.ts";
import { gradientSteps, type StepResult, type Stepper } from "./step.ts";

/** Snapshots are copies of the writer's variables. */
export function trainingWalk(input: LoopInput, state: LoopState): Walk {
  const { arch, writer, optimiser, checkpointing, signal, onEvent } = input;
  const stepper = input.stepper ?? gradientSteps(arch, writer, optimiser);
  return {
    async advance(inside) {
      const { batches, full } = epochOf(input, state);
      if (input.begin !== undefined) beginAt(input, state, inside);
      while (state.next < batches.length) {
        const chosen = batches[state.next]!;
        const began = performance.now();
        const lr = rateOf(input, state, chosen.length / full);
        const result = takeStep(stepper, input, state, chosen, lr);
        state.step++;
        state.shown += chosen.length;
        state.next++;
        const { step, epoch, next: batch } = state;
        const place = { step, epoch, batch, batches: batches.length };
        const seconds = (performance.now() - began) / 1000;
        onEvent?.({ type: "step", ...place, ...result, learningRate: lr, seconds });
        if (checkpointing && (step % checkpointing.every === 0 || signal?.aborted === true)) {
          await checkpointing.save(state, writer, optimiser, inside);
        }
        await breathe(signal);
      }
    },
    snapshot: () => takeSnapshot(writer),
    restore: (from, to, t) => restore(writer, from, to, t),
    forget: () => optimiser.reset(),
  };
}

/** An epoch that is taken up in the middle began at the last measured point. */
function beginAt({ writer, begin }: LoopInput, { epoch, next }: LoopState, inside: Snapshot): void {
  const now = next === 0 ? undefined : takeSnapshot(writer);
  if (now !== undefined) restore(writer, inside);
  begin!(epoch);
  if (now === undefined) return;
  restore(writer, now);
  dropSnapshot(now);
}

function epochOf(input: LoopInput, { active, epoch }: LoopState) {
  const { windows, batch, passes, seed } = input;
  const full = Math.min(batch, windows.length);
  return { batches: batchesOf(active, { batch, passes, full, seed, epoch }), full };
}

/** `share`: of a full batch. */
function rateOf(input: LoopInput, state: LoopState, share: number): number {
  const warm = Math.min(1, (state.step + 1) / Math.max(1, input.warmup));
  return input.lr * state.scale * warm * Math.sqrt(share); // Adam's step is as long for two texts as for eight: the rest pays for it
}

/** What a step tells of itself. */
type Told = Omit<StepResult, "perRow"> & { dual?: number; divergence?: number };

function takeStep(
  stepper: Stepper,
  { windows, tokens, lossOf, companions }: LoopInput,
  state: LoopState,
  chosen: readonly number[],
  lr: number,
): Told {
  const weight = companions?.weight;
  const { perRow, own, ...told } = tidy(() => {
    const joining = companions?.draw(state.shown, chosen);
    const { training, own } = joinedBatch(
      chosen.map((m) => windows[m]!),
      chosen.map((m) => tokens[m]!),
      joining,
      typeof weight === "object" ? state.dual : weight,
    );
    const { sequence, rows } = training;
    const first = sequence.slice(0, own);
    const pressure = first.map((b) => state.pressure[chosen[b]!]!);
    const erasing = lossOf(chosen, rows.targets.slice(0, own), first, pressure);
    const loss = joining?.lossOf({ erasing, own, targets: rows.targets, sequence }) ?? erasing;
    return { ...stepper(training, loss, { lr, step: state.step, members: chosen }), own };
  });
  if (!Number.isFinite(told.loss) || !Number.isFinite(told.gradNorm ?? told.slope)) {
    throw new DivergedError(state.step + 1, told.loss);
  }
  if (typeof weight !== "object") return told;
  const { dual } = state;
  const divergence = meanOf(Array.from(perRow).slice(own)).value;
  state.dual = nextDual(dual, divergence, weight.bound, weight.rate);
  return { ...told, dual, divergence };
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
