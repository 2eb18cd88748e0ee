/** @file `evaluate` on the command line. */
import { evaluate } from "../../verbs/evaluate.ts";
import { EVALUATE } from "../../verbs/flags.ts";
import type { EvaluateResult } from "../../eval/index.ts";
import type { Invocation } from "../invocation.ts";
import { longCommand } from "../long.ts";
import { skippedLines } from "../skipped.ts";

export const run = (call: Invocation): Promise<number> =>
  longCommand({
    name: "evaluate",
    table: EVALUATE,
    call,
    async execute({ options, signal, onEvent, onFacts }) {
      const result = await evaluate(options, { signal, onEvent, onFacts });
      return { result, exitCode: 0, summary: [...tableOf(result), ...skippedLines(result)] };
    },
  });

/** Metrics as rows, sets as columns; then a row for each task. */
function tableOf(result: EvaluateResult): string[] {
  const sets = (["forget", "kept", "unseen", "heldout"] as const).filter(
    (s) => result[s] !== undefined,
  );
  const names = sets[0] === undefined ? [] : Object.keys(result[sets[0]]!);
  const cell = (set: (typeof sets)[number], name: string) =>
    result[set]![name]?.value.toFixed(4) ?? "";
  const rows = [["", ...sets], ...names.map((n) => [n, ...sets.map((s) => cell(s, n))])].map(
    ([head, ...cells]) => `${head!.padEnd(26)}${cells.map((x) => x.padStart(12)).join("")}`,
  );
  return [...(sets.length === 0 ? [] : rows), ...taskLines(result)];
}

/** Each score of each task with its standard error. */
export const taskLines = ({ utility = {} }: EvaluateResult): string[] =>
  Object.entries(utility).map(([task, scores]) => {
    const told = Object.entries(scores).map(
      ([name, { value, stderr }]) =>
        `${name} ${value.toFixed(4)}${stderr === null ? "" : ` ± ${stderr.toFixed(4)}`}`,
    );
    return `${task.padEnd(26)}${told.join("   ")}   (${scores["acc"]!.n} items)`;
  });
