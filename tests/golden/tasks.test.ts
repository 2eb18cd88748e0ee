/** @file Tasks of each shape against lm-evaluation-harness (tests/golden/make_tasks.py): every answer's likelihood, every score. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { taskScores, tokenStats } from "../../src/eval/index.ts";
import { evaluate } from "../../src/index.ts";
import { loadModel } from "../../src/models/index.ts";
import { readTasks } from "../../src/verbs/tasks.ts";
import { assertClose } from "../close.ts";
import { temporary, tinyModel } from "../tiny.ts";

type Golden = Record<string, { scores: Record<string, number>; likelihoods: number[][] }>;
const data = join(import.meta.dirname, "data");
const golden = JSON.parse(readFileSync(join(data, "tasks.json"), "utf8")) as Golden;
/** `choices` asks as the files of arc_easy do: its cue comes from the table. */
const NAMES = { choices: "arc_easy", letters: "letters", options: "options", words: "words" };

test("each answer's likelihood and each score are the harness's", async () => {
  const folder = await tinyModel(temporary());
  const specs = Object.entries(NAMES).map(
    ([file, name]) => `${name}=${join(data, "tasks", `${file}.jsonl`)}`,
  );
  const { utility } = await evaluate({ model: folder, tasks: specs, dtype: "float32" });
  const model = await loadModel(folder);
  try {
    const sets = await readTasks({ tasks: specs }, model);
    for (const [i, file] of Object.keys(NAMES).entries()) {
      const { name, items, windows } = sets[i]!;
      const stats = await tokenStats(model.arch, model.weights, windows, { spread: false });
      assert.deepEqual(utility![name], taskScores(items, stats)); // what the command says is this
      for (const [key, value] of Object.entries(golden[file]!.scores)) {
        const [metric, error] = [key.replace("_stderr", ""), key.endsWith("_stderr")];
        const own = utility![name][metric]!;
        assertClose([(error ? own.stderr : own.value)!], [value], { rtol: 1e-5 });
      }
      const order = rowsInOrder(sets[i]!.items, file);
      const sums = stats.map((s) => s.logProbability.reduce((a, b) => a + b, 0));
      let from = 0;
      for (const [k, { pairs }] of items.entries()) {
        const expected = golden[file]!.likelihoods[order[k]!]!;
        assertClose(sums.slice(from, (from += pairs.length)), expected, { rtol: 1e-5 });
      }
    }
  } finally {
    model.dispose();
  }
});

/** The row of the file that each item came from: items are drawn in another order. */
function rowsInOrder(items: Awaited<ReturnType<typeof readTasks>>[number]["items"], file: string) {
  const rows = readFileSync(join(data, "tasks", `${file}.jsonl`), "utf8")
    .trim()
    .split("\n");
  return items.map(({ pairs }) =>
    rows.findIndex((row) => {
      const own = JSON.parse(row) as {
        context_options?: string[];
        query?: string;
        context?: string;
      };
      const context = own.context_options?.[0] ?? own.query ?? own.context ?? "";
      return pairs[0]!.context.startsWith(context);
    }),
  );
}
