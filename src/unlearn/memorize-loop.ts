/**
 * @file Fine-tunes a model until it recites given windows, with as much general text in every batch, so that it stays a
 * language model. Makes targets for experiments and the demo; the opposite of what the rest of this folder does.
 */
import { inputError } from "../base/errors.ts";
import { shuffled } from "../base/random.ts";
import { perText, tokenStats, type Window } from "../eval/index.ts";
import { breathe, type Architecture, type LogitLoss, type Parameters } from "../models/index.ts";
import type { StepEvent } from "./loop-types.ts";
import { nll } from "./losses/index.ts";
import { optimiser, type Optimiser } from "./optimiser.ts";
import { trainedTokens, trainingBatch } from "./rows.ts";
import { eligibleParameters } from "./scope.ts";
import { trainStep } from "./step.ts";
import { argmax, eq, tidy } from "../torch/index.ts";
import { denseWriter } from "./writers/weights.ts";
import type { Writer } from "./writers/types.ts";

export type MemorizeSettings = {
  /** Share of windows recited at the end of two epochs in a row at which to stop. */
  readonly until: number;
  readonly epochs: number;
  readonly lr: number;
  /** Windows to recite per step. */
  readonly batch: number;
  /** Windows of general text that join each of them. */
  readonly mix: number;
  /** How often a window is shown in an epoch: all alike, or each as often as it says. `until` asks for those shown most. */
  readonly repeats: number | readonly number[];
  readonly seed: number;
};

export type MemorizeEvent =
  | (StepEvent & { gradNorm: number })
  /** `recited`: share of windows, measured, or as seen in the epoch's own passes while that is far from enough. */
  | { type: "epoch"; epoch: number; step: number; recited: number };

const WARMUP = 4;
const CLIP = 1;
/** Share of `until` that must be recited in an epoch's own passes, each before its step, for a measurement to be worth its time. */
const WORTH = 0.75;

type Hooks = { signal?: AbortSignal | undefined; onEvent?: (event: MemorizeEvent) => void };

/** Trains; returns the writer that holds the result, which the caller disposes. */
export async function memorizeLoop(
  arch: Architecture,
  params: Parameters,
  windows: readonly Window[],
  general: readonly Window[],
  settings: MemorizeSettings,
  { signal, onEvent }: Hooks = {},
): Promise<{ writer: Writer; epochs: number; steps: number }> {
  const { until, epochs, batch, repeats, seed } = settings;
  const writer = denseWriter(arch, params, eligibleParameters(arch, "no-embeddings"));
  const adam = optimiser();
  const times = (i: number) => (typeof repeats === "number" ? repeats : repeats[i]!);
  const most = Math.max(...windows.map((_, i) => times(i)));
  const judged = new Set(windows.filter((_, i) => times(i) === most));
  let step = 0;
  let held = false; // twice in a row: what is recited by a hair is gone after the next step, whatever that step is for
  try {
    for (let epoch = 1; ; epoch++) {
      const order = shuffled(
        `memorize ${seed} ${epoch}`,
        windows.flatMap((w, i) => new Array<Window>(times(i)).fill(w)),
      );
      let seen = 0; // how often a window that is judged was recited in passing
      for (let from = 0; from < order.length; from += batch) {
        const injected = order.slice(from, from + batch);
        const taken = stepOn(arch, writer, adam, { injected, general, step, settings });
        seen += taken.recited.filter((w) => judged.has(w)).length;
        step++;
        expectFinite(taken, step);
        const place = { batch: from / batch + 1, batches: Math.ceil(order.length / batch) };
        const { loss, gradNorm, learningRate } = taken;
        onEvent?.({ type: "step", step, epoch, ...place, loss, gradNorm, learningRate });
        await breathe(signal);
      }
      const passed = seen / (judged.size * most);
      const measured = passed >= WORTH * until || epoch >= epochs;
      const recited = measured ? await shareRecited(arch, writer, [...judged], signal) : passed;
      onEvent?.({ type: "epoch", epoch, step, recited });
      if ((recited >= until && held) || epoch >= epochs) {
        return { writer, epochs: epoch, steps: step };
      }
      held = recited >= until;
    }
  } catch (error) {
    writer.dispose();
    throw error;
  } finally {
    adam.dispose();
  }
}

type Taken = {
  readonly loss: number;
  readonly gradNorm: number;
  readonly learningRate: number;
  /** The injected windows that were recited just before the step. */
  readonly recited: readonly Window[];
};

type Batch = {
  readonly injected: readonly Window[];
  readonly general: readonly Window[];
  readonly step: number;
  readonly settings: MemorizeSettings;
};

/** One step on injected windows and the general text whose turn it is. */
function stepOn(
  arch: Architecture,
  writer: Writer,
  adam: Optimiser,
  { injected, general, step, settings: { lr, batch, mix } }: Batch,
): Taken {
  const learningRate = lr * Math.min(1, (step + 1) / WARMUP);
  const joining = Math.round(injected.length * mix);
  const mixed = [...injected, ...take(general, Math.round(step * batch * mix), joining)];
  return tidy(() => {
    const training = trainingBatch(
      mixed,
      mixed.map((w) => trainedTokens(w, "all")),
    );
    const { watch, correct } = watching(training.rows.targets.length);
    const options = { lr: learningRate, clip: CLIP };
    const { loss, gradNorm } = trainStep(arch, writer, adam, training, () => watch, options);
    const recited = injected.filter((w, b) => recitedIn(w, b, training.sequence, correct));
    return { loss, gradNorm, learningRate, recited };
  });
}

function expectFinite({ loss, gradNorm }: Taken, step: number): void {
  if (Number.isFinite(loss) && Number.isFinite(gradNorm)) return;
  const got = Number.isFinite(loss) ? "a gradient that is no number" : String(loss);
  throw inputError(`memorize: expected a finite loss and gradient, got ${got} at step ${step}`, {
    wayOut: "lower --lr, or look at the model: unrecite evaluate",
  });
}

/** The likelihood loss, noting for each row whether the true token came first. */
function watching(rows: number): { watch: LogitLoss; correct: Uint8Array } {
  const correct = new Uint8Array(rows);
  const watch: LogitLoss = (logits, chunk) => {
    const right = eq(argmax(logits, { dim: -1, keepdim: true }), chunk.targets); // (n, 1)
    correct.set(right.toInts(), chunk.from);
    return nll(logits, chunk);
  };
  return { watch, correct };
}

/** Whether sequence b of a batch, trained on all its tokens but the first, was recited. */
function recitedIn(
  window: Window,
  b: number,
  sequence: readonly number[],
  correct: Uint8Array,
): boolean {
  const start = sequence.indexOf(b) - 1; // row of token 1 is the first
  return window.scored.every((t) => correct[start + t] === 1);
}

const take = <T>(items: readonly T[], from: number, count: number): T[] =>
  items.length === 0
    ? []
    : Array.from({ length: count }, (_, i) => items[(from + i) % items.length]!);

async function shareRecited(
  arch: Architecture,
  writer: Writer,
  windows: readonly Window[],
  signal: AbortSignal | undefined,
): Promise<number> {
  const stats = await tokenStats(arch, writer.trainable.weights, windows, {
    spread: false,
    signal,
  });
  const rows = perText(
    stats,
    windows.map((_, i) => i),
    windows.length,
    ["exact_match"],
  );
  return rows.reduce((sum, r) => sum + r!["exact_match"]!, 0) / rows.length;
}
