/** @file LAMBADA (Paperno et al. 2016): the last word of a passage that only its whole context gives away. */
import { join } from "node:path";
import { shuffled } from "../../src/base/random.ts";
import { itemOf, taskScores, tokenStats } from "../../src/eval/index.ts";
import { readJsonRows } from "../../src/io/index.ts";
import type { Model } from "../../src/models/index.ts";
import { windowsOfItems, type TaskSet } from "../../src/verbs/tasks.ts";
import { dataFolder } from "../families.ts";
import type { Served } from "./divergence.ts";

const NAME = "lambada_openai";

/** Passages in an order of the study's own, the same for every cell. */
export async function lambada(model: Model, count: number): Promise<TaskSet> {
  const path = join(dataFolder(), "tasks", `${NAME}.jsonl`);
  const rows = await readJsonRows(path, "passages");
  const order = shuffled("lambada", [...rows.keys()]).slice(0, count);
  const items = order.map((i) => itemOf(rows[i]!, {}, `${path} row ${i + 1}`));
  return { name: NAME, items, windows: windowsOfItems(items, model) };
}

/** Share of passages whose whole last word comes first at each of its tokens. */
export async function lambadaAccuracy(
  { arch, weights }: Served,
  { items, windows }: TaskSet,
): Promise<number> {
  const stats = await tokenStats(arch, weights, windows, { spread: false });
  return taskScores(items, stats)["acc"]!.value;
}
