/** @file `compare` on the command line: a table, table.csv, and the report. */
import { writeFileAtomic } from "../../io/index.ts";
import type { CompareResult, CompareRow, EvaluateResult } from "../../eval/index.ts";
import { compare } from "../../verbs/compare.ts";
import { COMPARE } from "../../verbs/flags.ts";
import type { Invocation } from "../invocation.ts";
import { longCommand } from "../long.ts";

export const run = (call: Invocation): Promise<number> =>
  longCommand({
    name: "compare",
    table: COMPARE,
    call,
    async execute({ options, run: folder, signal, onEvent, onFacts }) {
      const result = await compare(options, { signal, onEvent, onFacts, folder: folder.path });
      await writeFileAtomic(folder.file("table.csv"), csv(result.rows));
      const none = result.rows.every((row) => row.status === "failed");
      return { result, exitCode: none ? 1 : 0, summary: summaryOf(result) };
    },
  });

type Key = Exclude<keyof CompareRow, "course" | "tasks" | "settings" | "after">;
const COLUMNS: readonly Key[] = [
  "method",
  "seed",
  "status",
  "error",
  "recited",
  "memorization_accuracy",
  "suffix_nll",
  "over_forgotten",
  "kept_accuracy",
  "kept_recited",
  "kept_nll",
  "unseen_nll",
  "perplexity",
  "selected",
  "changed",
  "patch_bytes",
  "epochs",
  "steps",
  "gradient_range",
  "seconds",
  "peak_rss_bytes",
  "reused",
  "run",
];

const taskNames = (rows: readonly CompareRow[]): string[] => [
  ...new Set(rows.flatMap((row) => Object.keys(row.tasks ?? {}))),
];

/** RFC 4180; an empty field where there is no value. */
export function csv(rows: readonly CompareRow[]): string {
  const field = (value: string | number | boolean | null): string => {
    const text = value === null ? "" : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const tasks = taskNames(rows);
  return [
    [...COLUMNS, ...tasks.map((name) => `acc ${name}`)],
    ...rows.map((row) => [
      ...COLUMNS.map((key) => row[key]),
      ...tasks.map((name) => row.tasks?.[name] ?? null),
    ]),
  ]
    .map((cells) => `${cells.map(field).join(",")}\r\n`)
    .join("");
}

const HEAD = [
  "method",
  "seed",
  "status",
  "recited",
  "accuracy",
  "nll",
  "perpl. x",
  "kept x",
  "kept rec. x",
];

const NOT_ASKED = HEAD.slice(3).map(() => "");

export function summaryOf({ rows, target, oracle, before }: CompareResult): string[] {
  const n = (x: number | null, digits = 3) => (x === null ? "–" : x.toFixed(digits));
  const tasks = taskNames(rows);
  const cells = rows.map((r) => [
    r.method,
    String(r.seed),
    r.status,
    n(r.recited),
    n(r.memorization_accuracy),
    n(r.suffix_nll, 2),
    n(r.perplexity),
    n(r.kept_accuracy),
    n(r.kept_recited),
    ...tasks.map((name) => n(r.tasks?.[name] ?? null)),
  ]);
  const ofTasks = (measured: EvaluateResult | null) =>
    tasks.map((name) => n(measured?.utility?.[name]?.["acc"]?.value ?? null));
  if (tasks.length > 0) cells.unshift(["(before)", "", "", ...NOT_ASKED, ...ofTasks(before)]);
  if (oracle !== null) {
    cells.push(["(oracle)", "", "", ...oracleCells(oracle, before, n), ...ofTasks(oracle)]);
  }
  const head = [...HEAD, ...tasks];
  const width = head.map((h, i) => Math.max(h.length, ...cells.map((c) => c[i]!.length)));
  const line = (c: readonly string[]) =>
    c
      .map((x, i) => (i < 3 ? x.padEnd(width[i]!) : x.padStart(width[i]!)))
      .join("  ")
      .trimEnd();
  const aim =
    target === null
      ? []
      : [
          `target     ${target.from}: accuracy ${target.memorization_accuracy.toFixed(3)}, nll ${target.suffix_nll.toFixed(2)}`,
        ];
  const errors = rows.flatMap((r) =>
    r.error === null ? [] : [`${r.method}, seed ${r.seed}: ${r.error}`],
  );
  return [...aim, line(head), ...cells.map(line), ...errors];
}

/** The oracle in the columns of a run: × is its value over that of the model before erasing. */
function oracleCells(
  oracle: EvaluateResult,
  before: EvaluateResult | null,
  n: (x: number | null, digits?: number) => string,
): string[] {
  const value = (set: "forget" | "kept" | "heldout", metric: string, of = oracle) =>
    of[set]?.[metric]?.value ?? null;
  const ratio = (set: "kept" | "heldout", metric: string) => {
    const [is, was] = [value(set, metric), before && value(set, metric, before)];
    return n(is === null || was === null || was === 0 ? null : is / was);
  };
  return [
    n(value("forget", "exact_match")),
    n(value("forget", "memorization_accuracy")),
    n(value("forget", "suffix_nll"), 2),
    ratio("heldout", "perplexity"),
    ratio("kept", "memorization_accuracy"),
    ratio("kept", "exact_match"),
  ];
}
