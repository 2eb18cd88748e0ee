/** @file Tasks as the commands take them: read from files, measured beside the sets, under `utility` in the result. */
import { basename, extname } from "node:path";
import { inputError } from "../base/errors.ts";
import { shuffled } from "../base/random.ts";
import {
  formOf,
  itemOf,
  pairWindow,
  taskScores,
  tokenStats,
  type EvaluateResult,
  type TaskItem,
  type Window,
} from "../eval/index.ts";
import { readJsonRows } from "../io/index.ts";
import type { Model } from "../models/index.ts";

export type TaskSet = {
  readonly name: string;
  readonly items: readonly TaskItem[];
  /** Of all answers, item by item. */
  readonly windows: readonly Window[];
};

export type Utility = NonNullable<EvaluateResult["utility"]>;

/** Name and path of what `--tasks` names: a file, called by its name without extension, or NAME=FILE. */
export function taskFile(spec: string): { name: string; path: string } {
  const [, name, path] = /^(\w+)=(.+)$/s.exec(spec) ?? [];
  if (name !== undefined && path !== undefined) return { name, path };
  return { name: basename(spec, extname(spec)), path: spec };
}

/** The tasks that `specs` name, `most` items of each in an order that the task's name alone decides. */
export async function readTasks(
  specs: readonly string[] = [],
  model: Model,
  { most = Infinity }: { most?: number | undefined } = {},
): Promise<TaskSet[]> {
  const files = specs.map(taskFile);
  const twice = files.find(({ name }, i) => files.findIndex((f) => f.name === name) !== i);
  if (twice !== undefined) {
    throw inputError(`--tasks: expected each task once, got ${twice.name} twice`, {
      wayOut: "name one of the files: --tasks other=FILE",
    });
  }
  const sets: TaskSet[] = [];
  for (const { name, path } of files) {
    const rows = await readJsonRows(path, "the items of a task");
    const form = formOf(name);
    const order = shuffled(`task ${name}`, [...rows.keys()]).slice(0, most);
    const items = order.map((i) => itemOf(rows[i]!, form, `${path} row ${i + 1}`));
    if (items.some((item) => (item.gold === undefined) !== (items[0]!.gold === undefined))) {
      throw inputError(`${path}: expected rows of one shape, got some with choices, some without`, {
        wayOut: "make two tasks of them",
      });
    }
    sets.push({ name, items, windows: windowsOfItems(items, model) });
  }
  return sets;
}

/** A window for each answer of each item, in order. */
export function windowsOfItems(items: readonly TaskItem[], { arch, tokenizer }: Model): Window[] {
  const { bosId, eosId, addsBos } = tokenizer;
  const options = {
    encode: (text: string) => tokenizer.encode(text, { addSpecial: false }),
    bos: addsBos ? (bosId ?? undefined) : undefined,
    start: bosId ?? eosId ?? 0,
    longest: arch.maxPositions,
  };
  return items.flatMap(({ pairs }, i) => pairs.map((pair) => pairWindow(i, pair, options)));
}

type MeasureOptions = {
  signal?: AbortSignal | undefined;
  onBatch?: ((name: string, done: number, total: number) => void) | undefined;
};

/** Scores by task; undefined where none was asked for. */
export async function measureTasks(
  { arch, weights }: Pick<Model, "arch" | "weights">,
  tasks: readonly TaskSet[],
  { signal, onBatch }: MeasureOptions = {},
): Promise<Utility | undefined> {
  if (tasks.length === 0) return undefined;
  const utility: Utility = {};
  for (const { name, items, windows } of tasks) {
    const stats = await tokenStats(arch, weights, windows, {
      spread: false,
      signal,
      onBatch: (done) => onBatch?.(name, done, windows.length),
    });
    utility[name] = taskScores(items, stats);
  }
  return utility;
}
