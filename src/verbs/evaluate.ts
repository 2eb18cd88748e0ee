/** @file Measures a model, or a model with a patch on it, on up to four sets and on tasks. */
import { resolveFlags, type Options } from "../base/flags.ts";
import { inputError } from "../base/errors.ts";
import { METRIC_NAMES, metricNamed, type EvaluateResult, type SetName } from "../eval/index.ts";
import { loadModel, type Model, type Served } from "../models/index.ts";
import { twinFor, type Rounding, type Twin } from "../unlearn/rounding.ts";
import { inspectPatch } from "../patch/index.ts";
import { patchedWeights } from "./erase-output.ts";
import { modelFacts, type OnFacts } from "./facts.ts";
import { EVALUATE } from "./flags.ts";
import { measureStream } from "./pages.ts";
import { openSession } from "./session.ts";
import { HELDOUT_CUT, refuseTwice, skippedIn } from "./sets.ts";
import { measureTasks, readTasks, taskFiles } from "./tasks.ts";

export type EvaluateHooks = {
  signal?: AbortSignal | undefined;
  onEvent?:
    ((event: { type: "phase"; name: string; done: number; total: number }) => void) | undefined;
  onFacts?: OnFacts;
};

export async function evaluate(
  options: Options<typeof EVALUATE>,
  { signal, onEvent, onFacts }: EvaluateHooks = {},
): Promise<EvaluateResult> {
  const { values } = resolveFlags(EVALUATE, options);
  const roles = (["forget", "kept", "unseen", "heldout"] as const).filter(
    (r) => values[r] !== undefined,
  );
  if (roles.length === 0 && (values.tasks ?? []).length === 0) {
    throw inputError(
      "evaluate: expected at least one of --forget, --kept, --unseen, --heldout, --tasks, got none",
      { wayOut: "name a set of texts" },
    );
  }
  taskFiles(values);
  const metrics = (values.metrics ?? METRIC_NAMES).map((name) => metricNamed(name).name);
  openSession(values);
  const dtype = values.dtype === "bfloat16" ? "bfloat16" : "float32"; // figures are float32 unless asked for otherwise
  const model = await loadModel(values.model, { dtype });
  let patched: Served | undefined;
  let twin: Twin | undefined;
  try {
    await modelFacts(model, onFacts);
    patched = values.patch === undefined ? undefined : await patchedWeights(values.patch, model);
    if (values.patch !== undefined) {
      onFacts?.({ hashes: { patch: (await inspectPatch(values.patch)).sha256 } });
    }
    twin = twinBeside(values.rounding, model, patched);
    const { arch, weights } = patched ?? model;
    const served = { ...model, arch, weights: twin?.of(weights) ?? weights };
    const tasks = await readTasks(values, served);
    const measured: Partial<Record<SetName, Awaited<ReturnType<typeof measureStream>>>> = {};
    const check = refuseTwice();
    for (const role of roles) {
      const lengths =
        role === "heldout"
          ? HELDOUT_CUT
          : { prefix: values.prefixTokens, suffix: values.suffixTokens };
      const cut = { ...lengths, textField: values.textField };
      const how = { name: role, spec: values[role]!, cut, metrics, check, signal };
      const onTexts = (done: number) =>
        onEvent?.({ type: "phase", name: `measuring ${role}`, done, total: NaN });
      measured[role] = await measureStream(served, role, how, { onTexts, onFacts });
    }
    const utility = await measureTasks(served, tasks, {
      signal,
      onBatch: (name, done, total) =>
        onEvent?.({ type: "phase", name: `measuring ${name}`, done, total }),
    });
    const sets = Object.entries(measured).map(([role, { metrics }]) => [role, metrics] as const);
    return {
      schema: "unrecite/evaluate/v1",
      ...Object.fromEntries(sets),
      ...(utility && { utility }),
      ...skippedIn(measured),
    };
  } finally {
    twin?.dispose();
    patched?.dispose();
    model.dispose();
  }
}

/** The errors of rounding what the patch stands beside. */
function twinBeside(rounding: Rounding, model: Model, patched: Served | undefined) {
  const comparesTwo = patched?.weights.logits !== undefined && patched.arch !== model.arch;
  if (comparesTwo && rounding !== "none") {
    throw inputError(
      "--rounding: expected a patch that runs one model, got a rule that compares two",
      { wayOut: "leave out --rounding" },
    );
  }
  return twinFor(rounding, model);
}
