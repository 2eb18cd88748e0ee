/** @file The sets of an erasure: read, measured before, measured after on what was written; texts of earlier runs too. */
import { join } from "node:path";
import { inputError } from "../base/errors.ts";
import { wholeCut, type EvaluateResult, type Window } from "../eval/index.ts";
import { isObject, readObject } from "../io/index.ts";
import { loadModel, type Model } from "../models/index.ts";
import type {
  EraseHooks,
  EraseValues,
  Evaluated,
  Outputs,
  PreviousResult,
  Sets,
  Written,
} from "./erase-types.ts";
import { measureSet } from "./measure.ts";
import { HELDOUT_CUT, readSet, type TextSet } from "./sets.ts";
import { measureTasks, readTasks } from "./tasks.ts";

/** Retain text from a file, in windows as long as the texts' own; undefined for none, and for the model's own samples. */
export async function readRetain(values: EraseValues, model: Model): Promise<TextSet | undefined> {
  const { retain, textField, prefixTokens, suffixTokens } = values;
  if (retain === undefined || retain === "self") return undefined;
  const cut = { ...wholeCut(prefixTokens + suffixTokens), textField };
  return readSet("retain", retain, model, cut);
}

export async function readSets(values: EraseValues, model: Model): Promise<Sets> {
  const cut = {
    prefix: values.prefixTokens,
    suffix: values.suffixTokens,
    textField: values.textField,
  };
  const read = (name: string, spec: string | undefined, how = cut) =>
    spec === undefined ? Promise.resolve(undefined) : readSet(name, spec, model, how);
  return {
    forget: await readSet("forget", values.forget, model, cut),
    kept: await read("kept", values.kept),
    unseen: await read("unseen", values.unseen),
    heldout: await read("heldout", values.heldout, { ...HELDOUT_CUT, textField: values.textField }),
    tasks: await readTasks(values, model),
  };
}

/** For each window of the forget set one of the text with the same id: its own part, the last one where there are fewer. */
export async function readAlternatives(
  values: EraseValues,
  forget: TextSet,
  model: Model,
): Promise<(Pick<TextSet, "sha256"> & { windows: Window[] }) | undefined> {
  const { alternative: spec, textField, prefixTokens: prefix, suffixTokens: suffix } = values;
  if (spec === undefined) return undefined;
  const set = await readSet("alternative", spec, model, { prefix, suffix, textField });
  const place = new Map(set.ids.map((id, i) => [id, i]));
  let [text, part] = [-1, 0];
  const windows = forget.windows.map((w) => {
    part = w.text === text ? part + 1 : 0;
    text = w.text;
    const other = place.get(forget.ids[text]!);
    const own = set.windows.filter((x) => x.text === other);
    const chosen = own[Math.min(part, own.length - 1)];
    if (chosen !== undefined) return chosen;
    throw inputError(
      `${spec}: expected a text of 8 tokens or more for each id of the forget set, got none for ${forget.ids[text]}`,
      { wayOut: "give each alternative the id of the text it stands for" },
    );
  });
  return { windows, sha256: set.sha256 };
}

export async function evaluateSets(
  { arch, weights }: Pick<Model, "arch" | "weights">,
  sets: Sets,
  hooks: EraseHooks,
  onBatch: (done: number, total: number) => void,
): Promise<Evaluated> {
  const one = (set: TextSet | undefined, role: "forget" | "kept" | "unseen" | "heldout") =>
    set === undefined
      ? Promise.resolve(undefined)
      : measureSet(arch, weights, set, role, { signal: hooks.signal, onBatch });
  return {
    forget: await one(sets.forget, "forget"),
    kept: await one(sets.kept, "kept"),
    unseen: await one(sets.unseen, "unseen"),
    heldout: await one(sets.heldout, "heldout"),
    utility: await measureTasks({ arch, weights }, sets.tasks, {
      signal: hooks.signal,
      onBatch: (_, done, total) => onBatch(done, total),
    }),
  };
}

/** `after` is what the written files do, read back; texts of earlier runs are checked on them again. */
export async function measureWritten(
  outputs: Outputs,
  sets: Sets,
  earlier: readonly TextSet[],
  hooks: EraseHooks,
  onBatch: (done: number, total: number) => void,
): Promise<Written> {
  const measure = async (model: Pick<Model, "arch" | "weights">): Promise<Written> => {
    const previous: PreviousResult[] = [];
    for (const set of earlier) {
      const { rows } = await measureSet(model.arch, model.weights, set, "forget", {
        metrics: ["exact_match"],
        signal: hooks.signal,
      });
      previous.push({
        run: set.name,
        texts: rows.length,
        recited: rows.filter((r) => r?.["exact_match"] === 1).length,
      });
    }
    return { sets: await evaluateSets(model, sets, hooks, onBatch), previous };
  };
  if (outputs.out !== null) {
    const written = await loadModel(outputs.out);
    try {
      return await measure(written);
    } finally {
      written.dispose();
    }
  }
  const patched = await outputs.patchedWeights();
  try {
    return await measure(patched);
  } finally {
    patched.dispose();
  }
}

/** The forget sets of earlier runs, named by their directories. */
export async function readPrevious(values: EraseValues, model: Model): Promise<TextSet[]> {
  const sets: TextSet[] = [];
  for (const run of values.previous ?? []) {
    const { settings } = await readObject(join(run, "run.json"), "run.json of an earlier erase", {
      wayOut: "give --previous run directories that erase printed",
    });
    const given = (key: string): unknown =>
      isObject(settings) && isObject(settings[key]) ? settings[key]["value"] : undefined;
    const [forget, prefix, suffix, field] = [
      "forget",
      "prefixTokens",
      "suffixTokens",
      "textField",
    ].map(given);
    if (typeof forget !== "string" || typeof prefix !== "number" || typeof suffix !== "number") {
      throw inputError(`--previous ${run}: expected the run of an erase, got another`, {
        wayOut: "name run directories that erase printed",
      });
    }
    sets.push(
      await readSet(run, forget, model, {
        prefix,
        suffix,
        textField: typeof field === "string" ? field : "text",
      }),
    );
  }
  return sets;
}

export function evaluateDocument({ utility, ...sets }: Evaluated): EvaluateResult {
  const parts = Object.entries(sets).flatMap(([name, m]) =>
    m === undefined ? [] : [[name, m.metrics] as const],
  );
  return {
    schema: "unrecite/evaluate/v1",
    ...Object.fromEntries(parts),
    ...(utility && { utility }),
  };
}
