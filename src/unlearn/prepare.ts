/**
 * @file From a method's settings to something the loop can run: θ0's view of the forget set, the selection, the writer, the
 * loss of a batch. Everything here is made once, at θ0, and is the same when a run is resumed.
 */
import { inputError } from "../base/errors.ts";
import { wholeWindow, type Window } from "../eval/index.ts";
import type { Architecture, LossOf, Parameters, Weights } from "../models/index.ts";
import {
  LOSSES,
  NO_PRESSURE,
  type LossOptions,
  type Pressure,
  type RowContext,
} from "./losses/index.ts";
import type { Dial } from "./dial.ts";
import type { Goal } from "./level.ts";
import type { MethodSettings } from "./methods/index.ts";
import type { NaturalOf } from "./natural.ts";
import { optimiser, type Optimiser } from "./optimiser.ts";
import { selfProjection } from "./projection.ts";
import { makeAlternatives, makeRetain, type Companions } from "./companions.ts";
import { makeReference } from "./reference.ts";
import { eligibleParameters } from "./scope.ts";
import { selectorNamed, type SelectInput } from "./select/index.ts";
import { selfTexts } from "./self-text.ts";
import { factorsWriter } from "./writers/factors.ts";
import type { Tensor } from "../torch/index.ts";
import type { Writer } from "./writers/types.ts";
import { weightsWriter } from "./writers/weights.ts";

export type PrepareInput = {
  arch: Architecture;
  params: Parameters;
  weights: Weights;
  settings: MethodSettings;
  windows: readonly Window[];
  tokens: readonly (readonly number[])[];
  /** What is wanted of each text. */
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
  writer: Writer;
  optimiser: Optimiser;
  lossOf: (
    members: readonly number[],
    targets: readonly number[],
    sequence: readonly number[],
    pressure: readonly Pressure[],
  ) => LossOf;
  companions: Companions | undefined;
  /** For methods that turn a dial instead of training. */
  dial?: Dial | undefined;
  dispose: () => void;
};

export async function prepare(input: PrepareInput): Promise<Prepared> {
  const { arch, params, weights, settings, windows, tokens, goal } = input;
  const { seed, bos, start, signal, onProgress } = input;
  checkSettings(settings);
  const loss = LOSSES[settings.loss];
  const options: LossOptions = settings;
  let samples: Promise<number[][]> | undefined;
  const own = () =>
    (samples ??= selfTexts(arch, weights, {
      seed,
      start,
      vocab: arch.vocab,
      avoid: windows.map((w) => w.ids),
      signal,
    }));
  const onRows = (done: number, total: number) => onProgress?.("natural level", done, total);
  const reference =
    loss.needs === "nothing"
      ? undefined
      : await makeReference(arch, weights, windows, tokens, {
          natural: loss.needs === "natural" ? goal : undefined,
          signal,
          bos,
          levelsAt: input.levelsAt,
          onRows,
        });
  try {
    const head = (w: Weights) => w.get(arch.head);
    const lossWith =
      (w: Weights) =>
      (
        members: readonly number[],
        targets: readonly number[],
        sequence: readonly number[],
        pressure: readonly Pressure[],
      ): LossOf => {
        const seen = reference?.rowsOf(members);
        return (rows) =>
          loss.of(
            {
              rows,
              targets,
              sequence,
              pressure,
              head: head(w),
              reference: seen,
            } satisfies RowContext,
            options,
          );
      };
    const selectInput: SelectInput = {
      arch,
      params,
      weights,
      windows,
      tokens,
      eligible: eligibleParameters(arch, settings.scope, settings),
      lossOf: (members) => lossAt(lossWith(weights), windows, tokens, members),
      selfTexts: own,
      fraction: settings.fraction,
      per: settings.per,
      rank: settings.rank,
      ridge: settings.ridge,
      seed,
      signal,
      onProgress,
    };
    const { writer, project } = await makeWriter(selectInput, settings, own);
    const adam = optimiser({ name: settings.optimiser, project });
    const companions = await companionsOf(input, own, () => head(writer.trainable.weights));
    return {
      writer,
      optimiser: adam,
      lossOf: lossWith(writer.trainable.weights),
      companions,
      dispose() {
        companions?.dispose();
        adam.dispose();
        writer.dispose();
        reference?.dispose();
      },
    };
  } catch (error) {
    reference?.dispose();
    throw error;
  }
}

async function companionsOf(
  {
    arch,
    weights,
    settings,
    windows,
    tokens,
    retainWindows,
    alternatives,
    seed,
    signal,
  }: PrepareInput,
  own: () => Promise<number[][]>,
  head: () => Tensor,
): Promise<Companions | undefined> {
  const { companion, alpha, beta } = settings;
  if (companion === "none") return undefined;
  if (companion === "dpo") {
    return makeAlternatives(arch, weights, windows, alternatives ?? [], {
      tokens,
      head,
      beta,
      signal,
    });
  }
  const retained = retainWindows ?? (await own()).map(wholeWindow);
  return makeRetain(arch, weights, retained, { term: companion, alpha, seed, signal });
}

async function makeWriter(
  input: SelectInput,
  settings: MethodSettings,
  own: () => Promise<number[][]>,
): Promise<{ writer: Writer; project: Writer["project"] }> {
  const { arch, params, weights, eligible, signal, onProgress } = input;
  const selector = selectorNamed(settings.select);
  if (selector.kind === "directions") {
    return {
      writer: factorsWriter(arch, params, await selector.select(input)),
      project: undefined,
    };
  }
  const selected = await selector.select(input);
  const onBlock = (done: number, total: number) => onProgress?.("projection", done, total);
  const projection =
    settings.project === "self"
      ? await selfProjection(arch, weights, await own(), { ridge: settings.ridge, signal, onBlock })
      : undefined;
  const options = projection && { project: projection.project, disposeProject: projection.dispose };
  return {
    writer: weightsWriter(arch, params, eligible, selected, options),
    project: projection?.project,
  };
}

function lossAt(
  lossOf: Prepared["lossOf"],
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

/** Combinations that would silently do something else than they say. */
export function checkSettings({ select, project, per, scope }: MethodSettings): void {
  const { kind } = selectorNamed(select);
  if (kind === "directions" && project === "self") {
    throw inputError(
      "--project self: expected a selector of weights, got directions, which are contrasted with the model's own text already",
      {
        wayOut: "leave out --project, or take --select dense",
      },
    );
  }
  if (kind === "directions" && scope !== "linear" && scope !== "mlp" && scope !== "attention") {
    throw inputError(
      `--scope ${scope}: expected linear, mlp or attention with --select ${select}: only linear layers have directions`,
      { wayOut: "leave out --scope" },
    );
  }
  if (project === "self" && select !== "dense") {
    throw inputError(
      `--project self: expected --select dense, got --select ${select} --per ${per}: a mask over single weights and a projection undo one another`,
      {
        wayOut: "leave out --project or --select",
      },
    );
  }
}
