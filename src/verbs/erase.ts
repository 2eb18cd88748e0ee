/**
 * @file The main job: from a model that recites texts to a patch under which it does not, measured before and after on what
 * was written. Options, statuses and files as in SPEC.md sections 4 to 6.
 */
import { existsSync } from "node:fs";
import { inputError } from "../base/errors.ts";
import { resolveFlags } from "../base/flags.ts";
import type { EraseResult, Window } from "../eval/index.ts";
import { wholeWindow } from "../eval/index.ts";
import { expectEmptyFolder } from "../io/index.ts";
import { loadModel, type Architecture, type Model, type Weights } from "../models/index.ts";
import { checkpointTo, resumeFrom } from "../unlearn/checkpoint.ts";
import { eraseLoop } from "../unlearn/erase-loop.ts";
import type { LoopOutcome } from "../unlearn/loop-types.ts";
import type { Goal } from "../unlearn/level.ts";
import type { MethodSettings } from "../unlearn/methods/index.ts";
import { naturalOf } from "../unlearn/natural.ts";
import { measureTexts } from "../unlearn/measure.ts";
import { prepare, type Prepared, type PrepareInput } from "../unlearn/prepare.ts";
import { trainedTokens } from "../unlearn/rows.ts";
import { selfTexts } from "../unlearn/self-text.ts";
import { writeOutputs } from "./erase-output.ts";
import { resultOf } from "./erase-result.ts";
import {
  evaluateSets,
  measureWritten,
  readAlternatives,
  readPrevious,
  readRetain,
  readSets,
} from "./erase-sets.ts";
import { settingsOf } from "./erase-settings.ts";
import type { EraseHooks, EraseOptions, EraseValues, Sets } from "./erase-types.ts";
import { ERASE } from "./flags.ts";
import { goalOf } from "./goal.ts";
import { openSession, type Session } from "./session.ts";
import { checkOverlaps, leadOf, type TextSet } from "./sets.ts";
import { taskFiles } from "./tasks.ts";

/** Erases the forget set from a model. */
export async function erase(options: EraseOptions, hooks: EraseHooks = {}): Promise<EraseResult> {
  const { values } = resolveFlags(ERASE, options);
  const started = performance.now();
  settingsOf(values, { hasSpans: false }); // refuses what cannot be before anything is loaded
  taskFiles(values);
  const session = openSession(values);
  if (values.out !== undefined) {
    await expectEmptyFolder(values.out); // before the work, not after it
    if (values.patchOut === undefined && hooks.files === undefined) {
      throw inputError("--out: expected --patch-out beside it where there is no run, got none", {
        wayOut: "name a place for the patch that the merged model is made with",
      });
    }
  }
  const phase = (name: string) => (done: number, total: number) =>
    hooks.onEvent?.({ type: "phase", name, done, total });
  const measured = await loadModel(values.model); // float32: what every figure is measured with
  const model =
    session.dtype === "float32"
      ? measured
      : await loadModel(values.model, { dtype: session.dtype });
  try {
    const sets = await readSets(values, measured);
    const settings = settingsOf(values, { hasSpans: sets.forget.hasSpans });
    const retain = await readRetain(values, measured);
    const alternatives = await readAlternatives(values, sets.forget, measured);
    for (const message of checkOverlaps([
      sets.forget,
      sets.kept,
      sets.unseen,
      sets.heldout,
      retain,
    ])) {
      hooks.onEvent?.({ type: "warning", message });
    }
    const earlier = await readPrevious(values, measured);
    const before = await evaluateSets(measured, sets, hooks, phase("measuring before"));
    const windows = sets.forget.windows;
    const { arch, weights, bos } = modelParts(measured);
    const levelsAt = naturalOf(arch, weights, windows, { signal: hooks.signal, bos });
    const goal = await goalOf({
      target: values.target,
      reference: values.reference,
      unseen: sets.unseen,
      forget: sets.forget,
      model: measured,
      levelsAt,
      signal: hooks.signal,
    });
    const tokens = windows.map((w) => trainedTokens(w, settings.positions));
    const prepared = await prepare({
      ...modelParts(model),
      settings,
      windows,
      tokens,
      goal,
      levelsAt: model === measured ? levelsAt : undefined,
      retainWindows: retain?.windows,
      alternatives,
      seed: values.seed,
      signal: hooks.signal,
      onProgress: (name, done, total) => hooks.onEvent?.({ type: "phase", name, done, total }),
    });
    try {
      const outcome = await run({
        values,
        settings,
        session,
        model,
        sets,
        goal,
        prepared,
        windows,
        tokens,
        joining: [...(retain?.windows ?? []), ...(alternatives ?? [])],
        hooks,
      });
      const outputs = await writeOutputs({
        values,
        settings,
        outcome,
        prepared,
        measured,
        sets: sets.forget,
        files: hooks.files,
      });
      const { sets: after, previous } = await measureWritten(
        outputs,
        sets,
        earlier,
        hooks,
        phase("measuring after"),
      );
      const result = resultOf({
        values,
        settings,
        goal,
        before,
        after,
        outcome,
        prepared,
        outputs,
        sets,
        previous,
        started,
      });
      await hooks.files?.saveTexts(sets, before, after, goal, outcome, values.includeText);
      return result;
    } finally {
      prepared.dispose();
    }
  } finally {
    if (model !== measured) model.dispose();
    measured.dispose();
  }
}

/** What the algorithms need of a loaded model. */
export function modelParts(
  model: Model,
): Pick<PrepareInput, "arch" | "params" | "weights" | "bos" | "start"> {
  const { arch, params, weights, tokenizer } = model;
  return { arch, params, weights, ...leadOf(tokenizer) };
}

type RunInput = {
  values: EraseValues;
  settings: MethodSettings;
  session: Session;
  model: Model;
  sets: Sets;
  goal: Goal;
  prepared: Prepared;
  windows: readonly Window[];
  tokens: readonly (readonly number[])[];
  /** Retain and alternative text. */
  joining: readonly Window[];
  hooks: EraseHooks;
};

async function run({
  values,
  settings,
  session,
  model,
  sets,
  goal,
  prepared,
  windows,
  tokens,
  joining,
  hooks,
}: RunInput): Promise<LoopOutcome> {
  const { arch, trained, writer, optimiser } = prepared;
  const gate =
    sets.heldout?.windows ?? (await sampledWindows(model, sets.forget, values.seed, hooks.signal));
  const texts = sets.forget.ids.length;
  const measureOn = (arch: Architecture, w: Weights) =>
    measureTexts(arch, w, { windows, texts, gate, signal: hooks.signal });
  const binding = JSON.stringify({
    settings,
    seed: values.seed,
    dtype: session.dtype,
    threads: session.threads,
    model: await model.source.hash(),
    texts: sets.forget.contents.map((c) => hooks.files?.hashText(c)),
    joining: joining.map((w) => hooks.files?.hashText(w.ids.join(" "))),
  });
  const path = hooks.files?.checkpoint;
  const every = values.checkpointEvery;
  const resumed =
    path !== undefined && existsSync(path)
      ? await resumeFrom(path, every, binding, writer, optimiser)
      : undefined;
  if (path !== undefined && existsSync(path) && resumed === undefined) {
    const message = "the checkpoint is of other texts, settings or weights: starting anew";
    hooks.onEvent?.({ type: "warning", message });
  }
  const checkpointing =
    resumed ?? (path === undefined ? undefined : checkpointTo(path, every, binding));
  const { lr, warmup, epochs, passes, batch, threshold } = settings;
  return eraseLoop({
    ...prepared,
    arch: trained ?? arch,
    windows,
    tokens,
    texts,
    threshold,
    goal,
    measure: () => measureOn(arch, writer.trainable.weights),
    // what runs around a model may change what it says before anything is trained
    measureBefore:
      settings.writes === "weights" ? undefined : () => measureOn(model.arch, model.weights),
    budget: values.utilityBudget,
    lr,
    warmup,
    epochs,
    passes,
    batch,
    seed: values.seed,
    checkpointing,
    signal: hooks.signal,
    onEvent: hooks.onEvent,
  });
}

/** Without held-out text the model's own samples stand in at the gate. */
async function sampledWindows(
  model: Model,
  forget: TextSet,
  seed: number,
  signal: AbortSignal | undefined,
): Promise<Window[]> {
  const { arch, weights, start } = modelParts(model);
  const rows = await selfTexts(arch, weights, {
    seed: seed + 1000,
    start,
    vocab: arch.vocab,
    avoid: forget.windows.map((w) => w.ids),
    signal,
  });
  return rows.map(wholeWindow);
}
