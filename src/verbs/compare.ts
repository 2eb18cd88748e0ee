/** @file Runs several methods on one target, with the same stop, and puts their results side by side. */
import { join } from "node:path";
import { inputError } from "../base/errors.ts";
import { resolveFlags, type Options, type Values } from "../base/flags.ts";
import type { CompareResult, CompareRow, EraseResult, EvaluateResult } from "../eval/index.ts";
import { openModel, readAllTexts, sha256 } from "../io/index.ts";
import { methodNamed, retainTerm } from "../unlearn/methods/index.ts";
import { runCell, type CellOutcome, type ErasePlan } from "./cell.ts";
import { settingsOf } from "./erase-settings.ts";
import { evaluate } from "./evaluate.ts";
import { modelFacts, setFacts, textsHash, type OnFacts } from "./facts.ts";
import { COMPARE, ERASE } from "./flags.ts";
import { toolVersion } from "./session.ts";
import { readItems, type Utility } from "./tasks.ts";

export type CompareOptions = Options<typeof COMPARE>;
export type CompareValues = Values<typeof COMPARE>;
export type CompareHooks = {
  signal?: AbortSignal | undefined;
  onEvent?: ((event: CompareEvent) => void) | undefined;
  onFacts?: OnFacts;
  /** Where runs are kept when no `cache` is given. */
  folder?: string | undefined;
};
export type CompareEvent =
  | {
      type: "cell";
      done: number;
      total: number;
      method: string;
      seed: number;
      status: string;
      reused: boolean;
    }
  | { type: "phase"; name: string; done: number; total: number }
  | { type: "warning"; message: string };

const TEXTS = ["forget", "kept", "unseen", "heldout", "retain", "alternative"] as const;

/** Compares methods: one `erase` each, one after the other. A method that fails is a row like any other. */
export async function compare(
  options: CompareOptions,
  { signal, onEvent, onFacts, folder = "runs/compare" }: CompareHooks = {},
): Promise<CompareResult> {
  const { values } = resolveFlags(COMPARE, options);
  const started = performance.now();
  const cells = cellsOf(values);
  const content = await contentKey(values, onFacts);
  const oracle = await oracleOf(values, { signal, onEvent });
  const rows: CompareRow[] = [];
  let any: EraseResult | undefined;
  for (const [i, { method, seed, flags }] of cells.entries()) {
    signal?.throwIfAborted();
    const name = `${method}, seed ${seed}`;
    onEvent?.({ type: "phase", name, done: i, total: cells.length });
    const key = sha256(
      new TextEncoder().encode(JSON.stringify([content, settingsFor(flags), seed])),
    );
    const run = join(
      values.cache ?? join(folder, "cells"),
      `${method}-${seed}-${key.slice(0, 12)}`,
    );
    const say = (message: string) => onEvent?.({ type: "warning", message: `${name}: ${message}` });
    const outcome = await runCell({ folder: run, options: { ...flags, seed } }, { signal, say });
    if (outcome.status === "done") any ??= outcome.result;
    const row = rowOf({ method, seed, flags }, outcome);
    rows.push(row);
    const { status, reused } = row;
    onEvent?.({ type: "cell", done: i + 1, total: cells.length, method, seed, status, reused });
  }
  return {
    schema: "unrecite/compare/v1",
    target: any?.target ?? null,
    before: any?.before ?? null,
    oracle,
    rows,
    seconds: (performance.now() - started) / 1000,
  };
}

/** The oracle on the sets of the comparison, before the first run: a wrong path is found at once. */
async function oracleOf(
  values: CompareValues,
  { signal, onEvent }: Pick<CompareHooks, "signal" | "onEvent">,
): Promise<EvaluateResult | null> {
  const { oracle, forget, kept, unseen, heldout, prefixTokens, suffixTokens, textField } = values;
  if (oracle === undefined) return null;
  onEvent?.({ type: "phase", name: "measuring the oracle", done: 0, total: NaN });
  const { device, threads, memory, tasks, taskItems } = values;
  return evaluate(
    {
      model: oracle,
      forget,
      kept,
      unseen,
      heldout,
      tasks,
      taskItems,
      prefixTokens,
      suffixTokens,
      textField,
      device,
      threads,
      memory,
    },
    { signal },
  );
}

type Planned = { method: string; seed: number; flags: ErasePlan };

/** Every method with every seed; whatever would be refused is refused before the first begins. */
function cellsOf(values: CompareValues): Planned[] {
  const seeds = values.seeds.map((text) => {
    const seed = Number(text);
    if (Number.isSafeInteger(seed) && seed >= 0 && seed < 2 ** 31) return seed;
    throw inputError(`--seeds: expected integers from 0 on, got "${text}"`, {
      wayOut: "for example --seeds 0,1,2",
    });
  });
  const methods = values.methods.map((name) => methodNamed(name).name);
  const twice = [...methods, ...seeds].find((x, i, all) => all.indexOf(x) !== i);
  if (twice !== undefined) {
    throw inputError(`compare: expected each method and seed once, got ${twice} twice`, {
      wayOut: "leave one out",
    });
  }
  const fromStdin = TEXTS.find((key) => values[key] === "-");
  if (fromStdin !== undefined) {
    throw inputError(`--${fromStdin}: expected a file, got -: each run reads it`, {
      wayOut: "write the texts to a file",
    });
  }
  return methods.flatMap((method) => {
    const flags = flagsFor(method, values);
    const { values: erase } = resolveFlags(ERASE, { ...flags });
    settingsOf(erase, { hasSpans: false });
    return seeds.map((seed) => ({ method, seed, flags }));
  });
}

/** Of the comparison itself, not of its runs. */
const OWN = new Set(["methods", "seeds", "cache", "oracle", "run", "resume"]);

/** The flags of one method's erase; retain and alternative text go to the methods that take it. */
function flagsFor(method: string, values: CompareValues): ErasePlan {
  const { settings } = methodNamed(method);
  const takes = (key: string) =>
    key === "retain"
      ? retainTerm(settings) === "needed" || settings.constraint !== "none"
      : key === "alternative"
        ? settings.companion === "dpo"
        : !OWN.has(key);
  const shared = Object.entries({ ...values, tasks: values.tasks?.join(",") }).filter(
    (entry): entry is [string, string | number] => entry[1] !== undefined && takes(entry[0]),
  );
  return { ...Object.fromEntries(shared), method };
}

/** What makes a run what it is: settings without paths, which say nothing of what lies there. */
function settingsFor(flags: ErasePlan): ErasePlan {
  const paths = new Set<string>(["model", "reference", "tasks", ...TEXTS]);
  return Object.fromEntries(
    Object.entries(flags).filter(([key, value]) => !paths.has(key) || value === "self"),
  );
}

/** A hash of the models and texts themselves: a file that changed under its name is another comparison. */
async function contentKey(values: CompareValues, onFacts: OnFacts): Promise<string> {
  const parts: unknown[] = [toolVersion()];
  for (const key of ["model", "reference"] as const) {
    const spec = values[key];
    if (spec === undefined) continue;
    const source = await openModel(spec);
    try {
      parts.push(await source.hash());
      const own = key === "model" ? await source.tokenizer() : undefined;
      if (own !== undefined) await modelFacts({ source, tokenizer: own }, onFacts);
    } finally {
      source.close();
    }
  }
  for (const key of TEXTS) {
    const spec = values[key];
    const given = spec !== undefined && spec !== "self";
    const records = given ? await readAllTexts(spec, { textField: values.textField }) : undefined;
    parts.push(records ?? spec ?? null);
    if (records === undefined) continue;
    const hash = textsHash();
    hash.add(records);
    setFacts({ [key]: { sha256: hash.digest() } }, onFacts);
  }
  for (const { name, items } of await readItems(values)) parts.push(name, items);
  return sha256(new TextEncoder().encode(JSON.stringify(parts)));
}

const NONE = {
  after: null,
  recited: null,
  memorization_accuracy: null,
  suffix_nll: null,
  over_forgotten: null,
  kept_accuracy: null,
  kept_recited: null,
  kept_nll: null,
  unseen_nll: null,
  perplexity: null,
  selected: null,
  changed: null,
  patch_bytes: null,
  epochs: null,
  steps: null,
  gradient_range: null,
  seconds: null,
  peak_rss_bytes: null,
  course: [],
};

function rowOf({ method, seed, flags }: Planned, outcome: CellOutcome): CompareRow {
  const { folder: run, reused } = outcome;
  if (outcome.status === "failed") {
    const { error } = outcome;
    return { method, seed, status: "failed", error, run, settings: flags, reused, ...NONE };
  }
  const { result: r, events, settings } = outcome;
  type Set = "forget" | "kept" | "unseen" | "heldout";
  const after = (set: Set, metric: string) => r.after[set]?.[metric]?.value ?? null;
  const ratio = (set: Set, metric: string) => {
    const [was, is] = [r.before[set]?.[metric]?.value, r.after[set]?.[metric]?.value];
    return was === undefined || is === undefined || was === 0 ? null : is / was;
  };
  return {
    method,
    seed,
    status: r.status,
    error: null,
    run,
    settings,
    reused,
    after: r.after,
    recited: after("forget", "exact_match"),
    memorization_accuracy: after("forget", "memorization_accuracy"),
    suffix_nll: after("forget", "suffix_nll"),
    over_forgotten: r.over_forgotten,
    kept_accuracy: ratio("kept", "memorization_accuracy"),
    kept_recited: ratio("kept", "exact_match"),
    kept_nll: after("kept", "suffix_nll"),
    unseen_nll: after("unseen", "suffix_nll"),
    perplexity: ratio("heldout", "perplexity"),
    ...(r.after.utility && { tasks: accuracies(r.after.utility) }),
    selected: r.selection.selected,
    changed: r.patch?.changed ?? null,
    patch_bytes: r.patch?.bytes ?? null,
    epochs: r.epochs,
    steps: r.steps,
    gradient_range: gradientRange(events),
    seconds: r.seconds,
    peak_rss_bytes: r.peak_rss_bytes,
    course: courseOf(events, r),
  };
}

const accuracies = (utility: Utility): Record<string, number> =>
  Object.fromEntries(Object.entries(utility).map(([name, scores]) => [name, scores["acc"]!.value]));

type Events = readonly Readonly<Record<string, unknown>>[];

function gradientRange(events: Events): number | null {
  const norms = events
    .filter((e) => e["type"] === "step" && typeof e["gradNorm"] === "number")
    .map((e) => e["gradNorm"] as number)
    .filter((n) => n > 0);
  return norms.length === 0 ? null : Math.max(...norms) / Math.min(...norms);
}

function courseOf(events: Events, r: EraseResult): CompareRow["course"] {
  const epochs = events.filter((e) => e["type"] === "epoch") as unknown as {
    epoch: number;
    suffix_nll: number;
    memorization_accuracy: number;
    perplexity: number;
  }[];
  const was = r.before.heldout?.["perplexity"]?.value;
  if (was === undefined) return []; // the gate's own samples have no measurement before
  return [...new Map(epochs.map((e) => [e.epoch, e])).values()].map((e) => ({
    suffix_nll: e.suffix_nll,
    memorization_accuracy: e.memorization_accuracy,
    perplexity: e.perplexity / was,
  }));
}
