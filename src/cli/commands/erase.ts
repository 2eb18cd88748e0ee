/** @file `erase` on the command line. */
import { erase } from "../../verbs/erase.ts";
import { ERASE } from "../../verbs/flags.ts";
import { runFiles } from "../../verbs/run-files.ts";
import type { EraseResult, EvaluateResult } from "../../eval/index.ts";
import type { Invocation } from "../invocation.ts";
import { longCommand } from "../long.ts";
import { skippedLines } from "../skipped.ts";

export const run = (call: Invocation): Promise<number> =>
  longCommand({
    name: "erase",
    table: ERASE,
    call,
    async execute({ options, run: folder, signal, onEvent, onFacts }) {
      const result = await erase(options, { signal, onEvent, onFacts, files: runFiles(folder) });
      const anew = result.previous.some((p) => p.recited > 0);
      const done = result.status === "erased" || result.status === "nothing_to_erase";
      const exitCode = done && !anew ? 0 : 1;
      if (result.patch !== null) onFacts({ hashes: { patch: result.patch.sha256 } });
      return { result, exitCode, summary: summaryOf(result) };
    },
  });

function summaryOf(r: EraseResult): string[] {
  const of = (e: EvaluateResult, set: "forget" | "kept" | "heldout", metric: string) =>
    e[set]?.[metric]?.value;
  const pair = (set: "forget" | "kept" | "heldout", metric: string) => {
    const [before, after] = [of(r.before, set, metric), of(r.after, set, metric)];
    return before === undefined || after === undefined
      ? undefined
      : `${before.toFixed(3)} → ${after.toFixed(3)}`;
  };
  const lines: [string, string | undefined][] = [
    [
      "status",
      `${r.status} (${r.texts.erased} of ${r.texts.total} texts at their target, ${r.texts.recited} recited)`,
    ],
    [
      "target",
      `${r.target.from}: accuracy ${r.target.memorization_accuracy.toFixed(3)}, nll ${r.target.suffix_nll.toFixed(3)}`,
    ],
    [
      "forget",
      `accuracy ${pair("forget", "memorization_accuracy")}, nll ${pair("forget", "suffix_nll")}, recited ${pair("forget", "exact_match")}`,
    ],
    [
      "kept",
      pair("kept", "memorization_accuracy") &&
        `accuracy ${pair("kept", "memorization_accuracy")}, recited ${pair("kept", "exact_match")}`,
    ],
    ["held-out", pair("heldout", "perplexity") && `perplexity ${pair("heldout", "perplexity")}`],
    ...taskPairs(r).map((told): [string, string] => ["task", told]),
    [
      "patch",
      r.patch === null
        ? "none"
        : `${r.patch.path} (${r.patch.kind}, ${(r.patch.bytes / 1e6).toFixed(1)} MB, ${r.patch.changed === 0 ? "weights untouched" : `${r.patch.changed} values`})`,
    ],
    ...r.previous.map((p): [string, string] => [
      "previous",
      `${p.run}: ${p.recited} of ${p.texts} texts are recited`,
    ]),
    [
      "took",
      `${r.seconds.toFixed(0)} s, ${r.epochs} epochs, ${r.steps} steps, peak ${(r.peak_rss_bytes / 1e9).toFixed(2)} GB`,
    ],
  ];
  const told = lines.flatMap(([name, text]) =>
    text === undefined ? [] : [`${name.padEnd(10)} ${text}`],
  );
  return [...told, ...skippedLines(r)];
}

/** Accuracy on each task, before and after. */
const taskPairs = ({ before, after }: EraseResult): string[] =>
  Object.entries(after.utility ?? {}).map(([name, { acc }]) => {
    const was = before.utility?.[name]?.["acc"]?.value;
    return `${name}: acc ${was?.toFixed(3)} → ${acc!.value.toFixed(3)}${acc!.stderr === null ? "" : ` ± ${acc!.stderr.toFixed(3)}`}`;
  });
