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
import { leadOf } from "./sets.ts";

export type NamedItems = { readonly name: string; readonly items: readonly TaskItem[] };

export type TaskSet = NamedItems & {
  /** Of all answers, item by item. */
  readonly windows: readonly Window[];
};

export type Utility = NonNullable<EvaluateResult["utility"]>;

/** Name and path of what `--tasks` names: a file, called by its name without extension, or NAME=FILE. */
function taskFile(spec: string): { name: string; path: string } {
  const [, name, path] = /^(\w+)=(.+)$/s.exec(spec) ?? [];
  if (name !== undefined && path !== undefined) return { name, path };
  return { name: basename(spec, extname(spec)), path: spec };
}

/** Refuses what cannot be before anything is loaded; the files' names and paths. */
export function taskFiles({
  tasks = [],
  taskItems,
}: {
  readonly tasks?: readonly string[] | undefined;
  readonly taskItems?: number | undefined;
}): { name: string; path: string }[] {
  if (taskItems !== undefined && tasks.length === 0) {
    throw inputError("--task-items: expected --tasks FILE beside it, got none", {
      wayOut: "leave out --task-items, or name the tasks",
    });
  }
  const files = tasks.map(taskFile);
  const twice = files.find(({ name }, i) => files.findIndex((f) => f.name === name) !== i);
  if (twice === undefined) return files;
  throw inputError(`--tasks: expected each task once, got ${twice.name} twice`, {
    wayOut: "name one of the files: --tasks other=FILE",
  });
}

/** The items of the tasks that `tasks` names, `taskItems` of each, or all, in an order that the task's name alone decides. */
export async function readItems(values: Parameters<typeof taskFiles>[0]): Promise<NamedItems[]> {
  const tasks: NamedItems[] = [];
  for (const { name, path } of taskFiles(values)) {
    const rows = await readJsonRows(path, "the items of a task");
    const form = formOf(name);
    const order = shuffled(`task ${name}`, [...rows.keys()]).slice(0, values.taskItems);
    const items = order.map((i) => itemOf(rows[i]!, form, `${path} row ${i + 1}`));
    if (items.some((item) => (item.gold === undefined) !== (items[0]!.gold === undefined))) {
      throw inputError(`${path}: expected rows of one shape, got some with choices, some without`, {
        wayOut: "make two tasks of them",
      });
    }
    tasks.push({ name, items });
  }
  return tasks;
}

/** The same with the windows that a model reads. */
export const readTasks = async (
  values: Parameters<typeof taskFiles>[0],
  model: Model,
): Promise<TaskSet[]> =>
  (await readItems(values)).map(({ name, items }) => ({
    name,
    items,
    windows: windowsOfItems(items, model),
  }));

/** A window for each answer of each item, in order. */
export function windowsOfItems(items: readonly TaskItem[], { arch, tokenizer }: Model): Window[] {
  const options = {
    encode: (text: string) => tokenizer.encode(text, { addSpecial: false }),
    ...leadOf(tokenizer),
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
