/**
 * @file Erases with the product's own loop up to equal forgetting (METHOD.md section 5): the first point at which the set is known no
 * better than by the oracle, in accuracy and in likelihood. What is hopeless ends early and is a result too.
 */
import { resolveFlags } from "../../src/base/flags.ts";
import type { Window } from "../../src/eval/index.ts";
import { generate, plainWeights, type Model } from "../../src/models/index.ts";
import { eraseLoop } from "../../src/unlearn/erase-loop.ts";
import type { LoopEvent, Measure } from "../../src/unlearn/loop-types.ts";
import { isDone, type Goal, type Standing } from "../../src/unlearn/level.ts";
import { measureTexts } from "../../src/unlearn/measure.ts";
import type { MethodSettings } from "../../src/unlearn/methods/index.ts";
import { prepare, type Prepared } from "../../src/unlearn/prepare.ts";
import { trainedTokens } from "../../src/unlearn/rows.ts";
import { settingsOf } from "../../src/verbs/erase-settings.ts";
import { modelParts } from "../../src/verbs/erase-run.ts";
import { ERASE } from "../../src/verbs/flags.ts";
import type { TextSet } from "../../src/verbs/sets.ts";
import type { Served } from "./divergence.ts";
import type { RecipeFlags } from "./plan.ts";

const PASSES = 80; // over the forget set, at most, whatever is measured how often
const GATE = 4; // held-out windows looked at on the way: enough to see a collapse, the figures are of all
const COLLAPSED = 3; // x held-out perplexity at the start
const STUCK_AFTER = 1 / 3; // of its passes: from there on a method must be on the way

export type Status = "reached" | "not reached" | "collapsed" | "stuck";

export type Erased = {
  readonly status: Status;
  readonly settings: MethodSettings;
  readonly prepared: Prepared;
  readonly epochs: number;
  readonly steps: number;
  /** Largest norm of a step's gradient over the smallest; null where no gradient was made. */
  readonly gradientRange: number | null;
  /** After each epoch: nll and accuracy of the forget set, held-out perplexity relative to the start. */
  readonly course: readonly (readonly [nll: number, accuracy: number, perplexity: number])[];
};

export type ErasingInput = {
  readonly model: Model;
  readonly original: Model;
  readonly forget: TextSet;
  readonly heldout: TextSet;
  /** Where the forget set stands under the oracle. */
  readonly oracle: Standing;
  readonly flags: RecipeFlags;
  readonly factor: number;
  readonly seed: number;
  readonly say: (line: string) => void;
};

class Ended extends Error {
  readonly status: Status;
  constructor(status: Status) {
    super(status);
    this.status = status;
  }
}

export async function eraseEqually(input: ErasingInput): Promise<Erased> {
  const { model, forget, oracle, seed } = input;
  const settings = settingsFor(input);
  const windows = forget.windows;
  const tokens = windows.map((w) => trainedTokens(w, settings.positions));
  const goal: Goal = {
    from: "reference",
    perWindow: windows.map(() => ({ accuracy: 1, nll: 0 })), // the mean alone decides
    mean: oracle.mean,
    own: oracle.levels,
  };
  const prepared = await prepare({
    ...modelParts(model),
    settings,
    windows,
    tokens,
    goal,
    alternatives:
      settings.companion === "dpo" ? await insteadOf(input.original, windows) : undefined,
    seed,
  });
  const watch = watching(input, { prepared, settings, goal });
  const status = await loop({ ...input, settings, prepared, tokens, goal, ...watch });
  return { status, settings, prepared, ...watch.seen() };
}

/** Measures on the way, notes how it went, and ends what is hopeless. */
function watching(
  { model, forget, heldout, say }: ErasingInput,
  { prepared, settings, goal }: { prepared: Prepared; settings: MethodSettings; goal: Goal },
) {
  const course: [number, number, number][] = [];
  const norms: number[] = [];
  const way: number[] = [];
  const tally = { epochs: 0, steps: 0 };
  let start: Measure | undefined;
  let there = false; // from then on the loop looks back, and nothing is waited for
  const gate = heldout.windows.slice(0, GATE);
  const measureOn = ({ arch, weights }: Served) =>
    measureTexts(arch, weights, { windows: forget.windows, gate });
  const measure = async () => {
    const now = await measureOn(servedBy(prepared));
    start ??= now;
    there ||= isDone(now, goal);
    if (there) return now;
    way.push(progressOf(now, start, goal));
    if (now.perplexity > COLLAPSED * start.perplexity) throw new Ended("collapsed");
    if (tally.epochs >= settings.epochs * STUCK_AFTER && endOf(way, settings.epochs) < 1) {
      throw new Ended("stuck");
    }
    return now;
  };
  const onEvent = (event: LoopEvent) => {
    if (event.type === "step") {
      tally.steps = event.step;
      if (event.gradNorm !== undefined && Number.isFinite(event.gradNorm)) {
        norms.push(event.gradNorm);
      }
    } else if (event.type === "backoff") {
      throw new Ended("collapsed"); // with no budget to exceed: a loss that is no number
    } else if (event.type === "epoch") {
      tally.epochs = event.epoch;
      const { suffix_nll: nll, memorization_accuracy: accuracy } = event;
      const perplexity = event.perplexity / start!.perplexity;
      course.push([nll, accuracy, perplexity]);
      say(
        `epoch ${event.epoch}: forget ${accuracy.toFixed(3)} / ${nll.toFixed(2)} (oracle ${goal.mean.accuracy.toFixed(3)} / ${goal.mean.nll.toFixed(2)}), perplexity x ${perplexity.toFixed(3)}`,
      );
    }
  };
  const measureBefore =
    settings.writes === "weights" ? undefined : async () => (start ??= await measureOn(model));
  const gradientRange = () => (norms.length === 0 ? null : Math.max(...norms) / Math.min(...norms));
  const seen = () => ({ ...tally, gradientRange: gradientRange(), course });
  return { measure, measureBefore, onEvent, seen };
}

type LoopParts = ErasingInput & {
  settings: MethodSettings;
  prepared: Prepared;
  tokens: readonly (readonly number[])[];
  goal: Goal;
  measure: () => Promise<Measure>;
  measureBefore: (() => Promise<Measure>) | undefined;
  onEvent: (event: LoopEvent) => void;
};

async function loop(parts: LoopParts): Promise<Status> {
  const { forget, settings, prepared, tokens, goal, measure, measureBefore, onEvent, seed } = parts;
  const { lr, warmup, epochs, passes, batch, threshold } = settings;
  try {
    const outcome = await eraseLoop({
      ...prepared,
      arch: prepared.trained ?? prepared.arch,
      windows: forget.windows,
      tokens,
      threshold,
      goal,
      measure,
      measureBefore,
      budget: Infinity,
      lr,
      warmup,
      epochs,
      passes,
      batch,
      seed,
      onEvent,
    });
    return outcome.status === "erased" ? "reached" : "not reached";
  } catch (error) {
    if (error instanceof Ended) return error.status;
    throw error;
  }
}

/** The model as it runs with what a method made. */
export const servedBy = ({ arch, writer }: Prepared): Served => ({
  arch,
  weights: writer.trainable.weights,
});

/**
 * The recipe as `erase` would resolve it; training is measured after every second pass at most, and all are given the same number of
 * passes. A dial keeps its own notches.
 */
export function settingsFor({
  flags,
  factor,
}: Pick<ErasingInput, "flags" | "factor">): MethodSettings {
  const given = { model: "-", forget: "-", ...flags };
  const { values } = resolveFlags(ERASE, {
    ...given,
    ...(flags["method"] === "dpo" && { alternative: "-" }),
  });
  const settings = settingsOf(values, { hasSpans: false });
  const lr = settings.lr * factor;
  if (settings.dial !== "none") return { ...settings, lr };
  const passes = Math.max(2, settings.passes);
  return { ...settings, lr, passes, epochs: Math.ceil(PASSES / passes) };
}

/** How much of the way in likelihood is done. */
function progressOf(now: Measure, start: Measure, goal: Goal): number {
  const from = start.mean.nll;
  return (now.mean.nll - from) / (goal.mean.nll - from);
}

/** Where a method would end after `epochs` at the pace of the latter half of its way so far. */
export function endOf(way: readonly number[], epochs: number): number {
  const last = way.length - 1;
  const middle = Math.floor(last / 2);
  const pace = (way[last]! - way[middle]!) / Math.max(1, last - middle);
  return way[last]! + pace * (epochs - last);
}

/** What the model before injection says after each prefix, for methods that want something to say instead. */
async function insteadOf(original: Model, windows: readonly Window[]): Promise<Window[]> {
  const weights = plainWeights(original.arch, original.params);
  const prefixes = windows.map((w) => w.ids.slice(0, w.suffixStart));
  const longest = Math.max(...windows.map((w) => w.ids.length - w.suffixStart));
  const said = await generate(original.arch, weights, prefixes, { maxTokens: longest });
  return windows.map((w, i) => ({
    ...w,
    ids: [...prefixes[i]!, ...said[i]!.slice(0, w.ids.length - w.suffixStart)],
  }));
}
