/**
 * @file From a method's settings to something the loop can run: θ0's view of the forget set, the selection, the writer, the
 * loss of a batch. Everything here is made once, at θ0, and is the same when a run is resumed.
 */
import { inputError } from "../base/errors.ts";
import { wholeWindow, type Window } from "../eval/index.ts";
import {
  IDENTITY,
  identityFor,
  plainWeights,
  type Architecture,
  type LossOf,
  type Parameters,
  type Weights,
} from "../models/index.ts";
import { LOSSES, NO_PRESSURE, type LossOptions, type RowContext } from "./losses/index.ts";
import type { Dial, LoopInput } from "./loop-types.ts";
import { checkSettings } from "./check-settings.ts";
import { DIALS } from "./dials/index.ts";
import type { Goal } from "./level.ts";
import type { MethodSettings } from "./methods/index.ts";
import type { NaturalOf } from "./natural.ts";
import { optimiser, type Optimiser } from "./optimiser.ts";
import { makeConstraint, parseConstraint } from "./constraint.ts";
import { makeAlternatives, makeRetain, type Companions } from "./companions.ts";
import { steered, steeringVector, type Steered } from "./misdirection.ts";
import { makeReference } from "./reference.ts";
import { eligibleParameters } from "./scope.ts";
import { makeWriter } from "./make-writer.ts";
import type { SelectInput } from "./select/index.ts";
import { subspaceSteps } from "./zeroth-order.ts";
import type { Stepper } from "./step.ts";
import { twinSteps, type Turns, type TwinInput } from "./twin.ts";
import { kindred, selfTexts } from "./self-text.ts";
import type { Tensor } from "../torch/index.ts";
import type { Writer } from "./writers/types.ts";

export type PrepareInput = {
  arch: Architecture;
  params: Parameters;
  weights: Weights;
  settings: MethodSettings;
  windows: readonly Window[];
  tokens: readonly (readonly number[])[];
  /** What is wanted of each window. */
  goal: Goal;
  /** Retain text; absent with --retain self, where the model's own samples serve. */
  retainWindows?: readonly Window[] | undefined;
  /** For each window what should be said instead; for methods that prefer it. */
  alternatives?: readonly Window[] | undefined;
  /** The natural levels of these weights, where they were asked for already. */
  levelsAt?: NaturalOf | undefined;
  seed: number;
  /** BOS of texts, when the tokenizer adds one. */
  bos: number | undefined;
  /** First token of a sample: BOS or what stands for it. */
  start: number;
  signal?: AbortSignal | undefined;
  onProgress?: ((name: string, done: number, total: number) => void) | undefined;
};

export type Prepared = {
  /** What the writer's weights run in. */
  arch: Architecture;
  writer: Writer;
  optimiser: Optimiser;
  /** How steps are taken, where not by the optimiser along the gradient of the weights themselves. */
  stepper: Stepper | undefined;
  /** What steps want made where an epoch begins, with the weights as they are there. */
  begin?: ((epoch: number) => void) | undefined;
  lossOf: LoopInput["lossOf"];
  /** What steps run in, where not all of it: the model up to a block. */
  trained?: Architecture | undefined;
  companions: Companions | undefined;
  /** For methods that turn a dial instead of training. */
  dial?: Dial | undefined;
  dispose: () => void;
};

export async function prepare(given: PrepareInput): Promise<Prepared> {
  const { settings, windows, seed, start, signal } = given;
  checkSettings(settings);
  const owned: (() => void)[] = [];
  const dispose = () => owned.reverse().forEach((free) => free());
  try {
    const low =
      LOSSES[settings.loss].needs === "hidden" ? steered(settings, given.arch) : undefined;
    const input = low === undefined ? given : withIdentity(given, owned);
    const { arch, weights } = input;
    const avoid = windows.map((w) => w.ids);
    const own = once(() =>
      selfTexts(arch, weights, { seed, start, vocab: arch.vocab, avoid, signal }),
    );
    const onRows = (done: number, total: number) => given.onProgress?.("own samples", done, total);
    const ordinary = once(async () => [
      ...(await own()),
      ...(await kindred(arch, weights, windows, { each: settings.samples, seed, signal, onRows })),
    ]);
    const retained = async () => input.retainWindows ?? (await own()).map(wholeWindow);
    const lossWith = await lossesOf(input, low?.trained, owned);
    const selectInput = selecting(input, { selfTexts: own, ordinary }, lossWith(weights), low);
    const { arch: run, writer, project } = await makeWriter(selectInput, settings);
    owned.push(writer.dispose);
    const adam = optimiser({ name: settings.optimiser, project });
    owned.push(adam.dispose);
    const stepped = low?.trained ?? run;
    const blind = settings.optimiser === "subzero" ? blindSteps(stepped, writer, seed) : undefined;
    if (blind !== undefined) owned.push(blind.dispose);
    const turns = turnsOf(input, { arch: run, stepped, writer, optimiser: adam });
    if (turns !== undefined) owned.push(turns.dispose);
    const head = () => writer.trainable.weights.get(arch.head);
    const companions = await companionsOf(input, low?.trained ?? arch, retained, head);
    if (companions !== undefined) owned.push(companions.dispose);
    const made =
      settings.dial === "none"
        ? undefined
        : await DIALS[settings.dial]({ ...selectInput, writer, settings, retained });
    if (made !== undefined) owned.push(made.dispose);
    const lossOf = lossWith(writer.trainable.weights);
    const parts = { arch: run, writer, optimiser: adam, lossOf, trained: low?.trained, companions };
    return {
      ...parts,
      stepper: (blind ?? turns)?.step,
      begin: turns?.begin,
      dial: made?.dial,
      dispose,
    };
  } catch (error) {
    dispose();
    throw error;
  }
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}

type LossesOf = Prepared["lossOf"];

/** Parameters and weights that know the head of a truncated model. */
function withIdentity(input: PrepareInput, owned: (() => void)[]): PrepareInput {
  const identity = identityFor(input.arch, input.weights);
  owned.push(() => identity.dispose());
  const params = new Map([...input.params, [IDENTITY, identity] as const]);
  return { ...input, params, weights: plainWeights(input.arch, params) };
}

/** The erasing loss of a batch under given weights, with what θ0 thought of it where that is asked for. */
async function lossesOf(
  { arch, weights, settings, windows, tokens, goal, signal, bos, ...input }: PrepareInput,
  trained: Architecture | undefined,
  owned: (() => void)[],
): Promise<(w: Weights) => LossesOf> {
  const loss = LOSSES[settings.loss];
  const options: LossOptions = settings;
  const onRows = (done: number, total: number) => input.onProgress?.("natural level", done, total);
  const reference =
    loss.needs === "nothing" || loss.needs === "hidden"
      ? undefined
      : await makeReference(arch, weights, windows, tokens, {
          natural: loss.needs === "natural" ? goal : undefined,
          signal,
          bos,
          levelsAt: input.levelsAt,
          onRows,
        });
  if (reference !== undefined) owned.push(reference.dispose);
  const steer =
    trained &&
    (await steeringVector(trained, weights, windows, tokens, {
      ...settings,
      seed: input.seed,
      signal,
    }));
  if (steer !== undefined) owned.push(() => steer.dispose());
  return (w) => (members, targets, sequence, pressure) => {
    const seen = reference?.rowsOf(members);
    const head = w.get(arch.head);
    return (rows) =>
      loss.of(
        { rows, targets, sequence, pressure, head, reference: seen, steer } satisfies RowContext,
        options,
      );
  };
}

const selecting = (
  input: PrepareInput,
  text: Pick<SelectInput, "selfTexts" | "ordinary">,
  lossOf: LossesOf,
  low: Steered | undefined,
): SelectInput => {
  const { arch, params, weights, windows, tokens, seed, signal, onProgress, settings } = input;
  const { fraction, per, rank, ridge, groups } = settings;
  return {
    arch,
    params,
    weights,
    windows,
    tokens,
    trained: low?.trained,
    eligible:
      low === undefined
        ? eligibleParameters(arch, settings.scope, settings)
        : eligibleParameters(low.trained, settings.scope, low),
    lossOf: (members) => lossAt(lossOf, windows, tokens, members),
    ...text,
    fraction,
    per,
    rank,
    ridge,
    groups,
    seed,
    signal,
    onProgress,
  };
};

/** Its differences are too small for weights that are rounded to bfloat16. */
function blindSteps(
  arch: Architecture,
  writer: Writer,
  seed: number,
): ReturnType<typeof subspaceSteps> {
  const { dtype } = writer.trainable.weights.get(arch.head);
  if (dtype === "float32") return subspaceSteps(arch, writer, { seed });
  throw inputError(`--optimiser subzero: expected --dtype float32, got ${dtype}`, {
    wayOut: "add --dtype float32: what one perturbation changes would be lost in rounding",
  });
}

/** Where the settings ask for a twin: steps that are taken in it now and then. */
function turnsOf(
  { params, windows, settings, seed }: PrepareInput,
  parts: Pick<TwinInput, "arch" | "stepped" | "writer" | "optimiser">,
): Turns | undefined {
  const { rounding, relearning, batch } = settings;
  const { beside } = parts.writer;
  if ((rounding === "none" && relearning === 0) || beside === undefined) return undefined;
  const { dtype } = params.get(parts.arch.head)!;
  if (relearning > 0 && dtype !== "float32") {
    throw inputError(`--relearning: expected --dtype float32, got ${dtype}`, {
      wayOut: "add --dtype float32: so short a way would be lost in rounding",
    });
  }
  const taught = Math.ceil(batch / 2);
  return twinSteps({ ...parts, beside, params, windows, rounding, relearning, taught, seed });
}

async function companionsOf(
  { weights, settings, windows, tokens, alternatives, seed, signal }: PrepareInput,
  arch: Architecture,
  retained: () => Promise<readonly Window[]>,
  head: () => Tensor,
): Promise<Companions | undefined> {
  const { companion, alpha, beta, dualRate: rate } = settings;
  const constraint = parseConstraint(settings.constraint);
  if (constraint !== undefined) {
    return makeConstraint(arch, weights, await retained(), { constraint, rate, seed, signal });
  }
  if (companion === "none") return undefined;
  if (companion === "dpo") {
    return makeAlternatives(arch, weights, windows, alternatives ?? [], {
      tokens,
      head,
      beta,
      signal,
    });
  }
  return makeRetain(arch, weights, await retained(), { term: companion, alpha, seed, signal });
}

function lossAt(
  lossOf: LossesOf,
  windows: readonly Window[],
  tokens: readonly (readonly number[])[],
  members: readonly number[],
): LossOf {
  const targets = members.flatMap((m) => tokens[m]!.map((t) => windows[m]!.ids[t]!));
  const sequence = members.flatMap((m, b) => tokens[m]!.map(() => b));
  return lossOf(
    members,
    targets,
    sequence,
    sequence.map(() => NO_PRESSURE),
  );
}
