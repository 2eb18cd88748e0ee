/**
 * @file The main job: from a model that recites texts to a patch under which it does not, measured before and after on what
 * was written. Options, statuses and files as in SPEC.md sections 4 to 6.
 */
import { resolveFlags } from "../base/flags.ts";
import type { EraseResult } from "../eval/index.ts";
import { loadModel, type Model } from "../models/index.ts";
import { naturalOf, type NaturalOf } from "../unlearn/natural.ts";
import type { Goal } from "../unlearn/level.ts";
import { prepare, type Prepared } from "../unlearn/prepare.ts";
import { trainedTokens } from "../unlearn/rows.ts";
import { writeOutputs } from "./erase-output.ts";
import { expectPlaces } from "./erase-places.ts";
import { resultOf } from "./erase-result.ts";
import { modelParts, runLoop } from "./erase-run.ts";
import {
  evaluateSets,
  measureWritten,
  readAlternatives,
  readPrevious,
  readRetain,
  readSets,
} from "./erase-sets.ts";
import { settingsRead } from "./erase-refused.ts";
import { settingsOf } from "./erase-settings.ts";
import type {
  EraseHooks,
  EraseInputs,
  EraseJob,
  EraseModels,
  EraseOptions,
  EraseValues,
} from "./erase-types.ts";
import { modelFacts, setFacts } from "./facts.ts";
import { ERASE } from "./flags.ts";
import { goalOf } from "./goal.ts";
import { openSession } from "./session.ts";
import { checkOverlaps } from "./sets.ts";
import { taskFiles } from "./tasks.ts";

/** Erases the forget set from a model. */
export async function erase(options: EraseOptions, hooks: EraseHooks = {}): Promise<EraseResult> {
  const { values } = resolveFlags(ERASE, options);
  const started = performance.now();
  await refuseEarly(values, hooks);
  const session = openSession(values);
  const { dispose, ...models } = await openModels(values, session.dtype);
  try {
    await modelFacts(models.model, hooks.onFacts); // the one whose hash the checkpoint asks for too
    const inputs = await readInputs(values, models.measured, hooks);
    return await eraseFrom({ values, session, ...models, ...inputs, hooks, started });
  } finally {
    dispose();
  }
}

/** Refuses what cannot be before anything is loaded. */
async function refuseEarly(values: EraseValues, { files }: EraseHooks): Promise<void> {
  const settings = settingsOf(values, { hasSpans: false });
  taskFiles(values);
  await expectPlaces(values, settings, files);
}

async function openModels(
  { model: spec }: EraseValues,
  dtype: "float32" | "bfloat16",
): Promise<EraseModels & { dispose: () => void }> {
  const measured = await loadModel(spec);
  const whole = () => measured.dispose();
  if (dtype === "float32") return { measured, model: measured, dispose: whole };
  try {
    const model = await loadModel(spec, { dtype });
    return { measured, model, dispose: () => [model, measured].forEach((m) => m.dispose()) };
  } catch (error) {
    whole();
    throw error;
  }
}

async function readInputs(
  values: EraseValues,
  model: Model,
  hooks: EraseHooks,
): Promise<EraseInputs> {
  const sets = await readSets(values, model);
  const settings = settingsOf(values, { hasSpans: sets.forget.hasSpans });
  const retain = await readRetain(values, model);
  const alternative = await readAlternatives(values, sets.forget, model);
  const { forget, kept, unseen, heldout } = sets;
  setFacts({ forget, kept, unseen, heldout, retain, alternative }, hooks.onFacts);
  hooks.onFacts?.({ settings: settingsRead(values.method, settings) });
  for (const message of checkOverlaps([forget, kept, unseen, heldout, retain])) {
    hooks.onEvent?.({ type: "warning", message });
  }
  const alternatives = alternative?.windows;
  return { sets, settings, retain, alternatives, earlier: await readPrevious(values, model) };
}

/** Measures, aims, trains, writes, and measures what was written. */
async function eraseFrom(job: EraseJob): Promise<EraseResult> {
  const { values, measured, sets, settings, earlier, hooks } = job;
  const phase = (name: string) => (done: number, total: number) =>
    hooks.onEvent?.({ type: "phase", name, done, total });
  const before = await evaluateSets(measured, sets, hooks, phase("measuring before"));
  const { goal, levelsAt } = await aim(job);
  const tokens = sets.forget.windows.map((w) => trainedTokens(w, settings.positions));
  const prepared = await prepareFor(job, tokens, goal, levelsAt);
  try {
    const outcome = await runLoop(job, { goal, tokens, prepared });
    const made = { values, settings, outcome, prepared };
    const to = { measured, sets: sets.forget, files: hooks.files, onEvent: hooks.onEvent };
    const outputs = await writeOutputs({ ...made, ...to });
    const written = await measureWritten(outputs, sets, earlier, hooks, phase("measuring after"));
    const { sets: after, previous } = written;
    const { started, retain } = job;
    const told = { goal, before, after, outputs, sets, retain, previous, started };
    const result = resultOf({ ...made, ...told });
    await hooks.files?.saveTexts(sets, before, after, goal, outcome, values.includeText);
    return result;
  } finally {
    prepared.dispose();
  }
}

/** Where forgetting aims, and the levels that it is read from where that is asked for. */
async function aim({ values, measured, sets, hooks }: EraseJob) {
  const { forget, unseen } = sets;
  const { arch, weights, bos } = modelParts(measured);
  const { signal } = hooks;
  const levelsAt = naturalOf(arch, weights, forget.windows, { signal, bos });
  const { target, reference } = values;
  const of = { forget, unseen, model: measured, levelsAt };
  const goal = await goalOf({ target, reference, ...of, signal });
  return { goal, levelsAt };
}

function prepareFor(
  { values, settings, model, measured, sets, retain, alternatives, hooks }: EraseJob,
  tokens: readonly (readonly number[])[],
  goal: Goal,
  levelsAt: NaturalOf,
): Promise<Prepared> {
  return prepare({
    ...modelParts(model),
    settings,
    windows: sets.forget.windows,
    tokens,
    goal,
    // levels of other weights, rounded ones, would not be theirs
    levelsAt: model === measured ? levelsAt : undefined,
    retainWindows: retain?.windows,
    alternatives,
    seed: values.seed,
    signal: hooks.signal,
    onProgress: (name, done, total) => hooks.onEvent?.({ type: "phase", name, done, total }),
  });
}
