/** @file The loop of an erasure: what `erase` has read and prepared, with its checkpoint and its gate. */
import { existsSync } from "node:fs";
import { wholeWindow, type Window } from "../eval/index.ts";
import type { Architecture, Model, Weights } from "../models/index.ts";
import { checkpointTo, resumeFrom } from "../unlearn/checkpoint.ts";
import { eraseLoop } from "../unlearn/erase-loop.ts";
import type { Goal } from "../unlearn/level.ts";
import type { Checkpointing, LoopOutcome } from "../unlearn/loop-types.ts";
import { measureTexts } from "../unlearn/measure.ts";
import type { Prepared, PrepareInput } from "../unlearn/prepare.ts";
import { selfTexts } from "../unlearn/self-text.ts";
import type { EraseJob } from "./erase-types.ts";
import { leadOf } from "./sets.ts";

/** What the algorithms need of a loaded model. */
export function modelParts(
  model: Model,
): Pick<PrepareInput, "arch" | "params" | "weights" | "bos" | "start"> {
  const { arch, params, weights, tokenizer } = model;
  return { arch, params, weights, ...leadOf(tokenizer) };
}

/** What steers the loop beside the settings. */
type Steering = { goal: Goal; gate: readonly Window[] };

type Ready = {
  goal: Goal;
  /** For each window the tokens that are trained. */
  tokens: readonly (readonly number[])[];
  prepared: Prepared;
};

/** Trains until the goal, from a checkpoint of the same job where there is one. */
export async function runLoop(
  job: EraseJob,
  { goal, tokens, prepared }: Ready,
): Promise<LoopOutcome> {
  const { values, settings, model, sets, hooks } = job;
  const { arch, trained, writer } = prepared;
  const { signal, onEvent } = hooks;
  const gate = sets.heldout?.windows ?? (await sampledWindows(job));
  const { windows } = sets.forget;
  const measureOn = (arch: Architecture, w: Weights) =>
    measureTexts(arch, w, { windows, gate, signal });
  const { lr, warmup, epochs, passes, batch, threshold } = settings;
  return eraseLoop({
    ...prepared,
    arch: trained ?? arch,
    windows,
    tokens,
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
    checkpointing: await checkpointingOf(job, { goal, gate, prepared }),
    signal,
    onEvent,
  });
}

/** The checkpoint file of a run, read where it is of this very job; undefined where there is no run. */
async function checkpointingOf(
  job: EraseJob,
  { prepared: { writer, optimiser }, ...steering }: Steering & { prepared: Prepared },
): Promise<Checkpointing | undefined> {
  const { values, hooks } = job;
  const path = hooks.files?.checkpoint;
  if (path === undefined) return undefined;
  const every = values.checkpointEvery;
  const binding = await bindingOf(job, steering);
  if (existsSync(path)) {
    const resumed = await resumeFrom(path, every, binding, writer, optimiser);
    if (resumed !== undefined) return resumed;
    const message = "the checkpoint is of other texts, goals, settings or weights: starting anew";
    hooks.onEvent?.({ type: "warning", message });
  }
  return checkpointTo(path, every, binding);
}

/** All that the course of a run depends on: a checkpoint is of it, or of another job. */
async function bindingOf(
  { values, settings, session, model, sets, retain, alternatives, hooks }: EraseJob,
  { goal, gate }: Steering,
): Promise<string> {
  const hashOf = (windows: readonly Window[]) =>
    hooks.files?.hashText(JSON.stringify(windows.map((w) => [w.ids, w.scored])));
  const { dtype, threads, device } = session;
  return JSON.stringify({
    settings,
    seed: values.seed,
    session: { dtype, threads, device },
    model: await model.source.hash(),
    goal,
    budget: values.utilityBudget,
    texts: hashOf(sets.forget.windows),
    gate: hashOf(gate),
    joining: hashOf([...(retain?.windows ?? []), ...(alternatives ?? [])]),
  });
}

/** Without held-out text the model's own samples stand in at the gate. */
async function sampledWindows({ model, sets, values, hooks }: EraseJob): Promise<Window[]> {
  const { arch, weights, start } = modelParts(model);
  const rows = await selfTexts(arch, weights, {
    seed: values.seed + 1000,
    start,
    vocab: arch.vocab,
    avoid: sets.forget.windows.map((w) => w.ids),
    signal: hooks.signal,
  });
  return rows.map(wholeWindow);
}
