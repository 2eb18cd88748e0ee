/**
 * @file lm-evaluation-harness on the demo model and the real tasks, the same items on both sides: each accuracy must be its own, a
 * perplexity to 1e-3 of it; and how long it takes them.
 */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { shuffled } from "../src/base/random.ts";
import { formOf } from "../src/eval/index.ts";
import { readJsonRows } from "../src/io/index.ts";
import { evaluate } from "../src/verbs/evaluate.ts";
import { dataFolder } from "./families.ts";
import { peer } from "./peer.ts";
import type { Row } from "./types.ts";

const ITEMS = 20; // of each task: eight tasks in a minute or two a side
const PERPLEXITY = 1e-3;

type Harness = { scores: Record<string, Record<string, number>>; seconds: number };

export async function tasks(directory: string): Promise<Row[]> {
  const source = join(dataFolder(), "tasks");
  const folder = mkdtempSync(join(tmpdir(), "unrecite-tasks-"));
  try {
    const files: Record<string, object> = {};
    for (const file of readdirSync(source).sort()) {
      const name = basename(file, ".jsonl");
      const rows = await readJsonRows(join(source, file), "items");
      const some = shuffled(`bench ${name}`, rows).slice(0, ITEMS);
      const path = join(folder, file);
      writeFileSync(path, some.map((row) => `${JSON.stringify(row)}\n`).join(""));
      const { cue, choices } = formOf(name);
      files[name] = { path, cue, choices };
    }
    const given = join(folder, "files.json");
    writeFileSync(given, JSON.stringify(files));
    const harness = peer<Harness>(directory, "tasks", given);
    const began = performance.now();
    const paths = Object.keys(files).map((name) => join(folder, `${name}.jsonl`));
    const { utility } = await evaluate({ model: directory, tasks: paths, dtype: "float32" });
    const seconds = (performance.now() - began) / 1000;
    return [...rowsOf(utility!, harness), speedRow(seconds, harness.seconds)];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

type Utility = NonNullable<Awaited<ReturnType<typeof evaluate>>["utility"]>;

const rowsOf = (utility: Utility, { scores }: Harness): Row[] =>
  Object.entries(utility).flatMap(([name, own]) =>
    Object.entries(own).map(([metric, { value }]): Row => {
      const theirs = scores[name]![metric]!;
      const bound = metric === "perplexity" ? PERPLEXITY * theirs : 1e-9;
      return {
        name: `${name} ${metric}`,
        value,
        unit: metric === "perplexity" ? "" : "share",
        peer: { name: "lm-eval", value: theirs },
        ratio: null,
        bound,
        bar: metric === "perplexity" ? `within ${PERPLEXITY} of it` : "equal",
        pass: Math.abs(value - theirs) <= bound,
      };
    }),
  );

const speedRow = (own: number, theirs: number): Row => ({
  name: "tasks",
  value: own,
  unit: "s",
  peer: { name: "lm-eval", value: theirs },
  ratio: theirs / own,
  bound: null,
  bar: "ratio >= 1",
  pass: theirs >= own,
});
