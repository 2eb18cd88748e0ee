/** @file The report of a comparison: who forgot how far at what price, as a picture, small multiples, and every number. */
import type { CompareResult, CompareRow } from "../../eval/results.ts";
import type { Manifest } from "../../run/types.ts";
import { dots, type DotRow } from "../charts.ts";
import { html, number, table, type Column, type Html, type Piece } from "../html.ts";
import { bytes, count, duration, figure, percent } from "../numbers.ts";
import { section, type Section } from "../page.ts";
import { tradeoff, type TradeoffOptions } from "../tradeoff.ts";
import { valueOf } from "./verdict.ts";
import { verdictOf, type Part } from "./measured.ts";

export function comparePart(result: CompareResult, manifest: Manifest): Part {
  const r = { ...result, oracle: result.oracle ?? null }; // runs of earlier versions have none
  const reached = r.rows.filter((row) => row.status === "erased");
  const best = [...reached].sort((a, b) => kept(b) - kept(a))[0];
  const meaning =
    best === undefined
      ? `None of ${count(r.rows.length, "run")} brought every text to its target within the budget.`
      : html`${reached.length} of ${count(r.rows.length, "run")} brought every text to its target
          within the budget. Of these <strong>${nameOf(best, r)}</strong> kept the most:
          ${kept_(best)}.`;
  return {
    verdict: verdictOf(
      manifest,
      best === undefined ? "None reached the target" : `${best.method} kept the most`,
      best === undefined ? "bad" : "good",
      meaning,
    ),
    sections: [
      pictureSection(r, manifest),
      ...multiples(r),
      tableSection(r),
      ...tasksSection(r),
      costSection(r),
    ],
  };
}

/** What a run kept, to compare runs by: recited kept texts, else their tokens, else general text. */
const kept = (row: CompareRow): number =>
  row.kept_recited ?? row.kept_accuracy ?? -(row.perplexity ?? Infinity);

const kept_ = (row: CompareRow): string =>
  row.kept_recited !== null
    ? `× ${figure(row.kept_recited)} of the kept texts recited, perplexity × ${figure(row.perplexity)}`
    : `perplexity × ${figure(row.perplexity)}`;

const seedsIn = (r: CompareResult): number => new Set(r.rows.map((row) => row.seed)).size;

const nameOf = (row: CompareRow, r: CompareResult): string =>
  seedsIn(r) > 1 ? `${row.method} · ${row.seed}` : row.method;

function pictureSection(r: CompareResult, manifest: Manifest): Section {
  const start = r.before === null ? undefined : valueOf(r.before, "forget", "suffix_nll");
  const paths = r.rows
    .filter((row) => row.course.length > 0)
    .map((row) => ({
      name: nameOf(row, r),
      points: [
        ...(start === undefined ? [] : [[start, 1] as const]),
        ...row.course.map((c) => [c.suffix_nll, c.perplexity] as const),
      ],
    }));
  const budget = manifest.settings["utilityBudget"]?.value;
  return section(
    "tradeoff",
    "Trade-off",
    "Forgetting against ability",
    paths.length === 0
      ? html`<p>
          No course to draw: without <code>--heldout</code> nothing says what forgetting cost.
        </p>`
      : tradeoff({
          key: "tradeoff",
          title: "Where each run went, epoch by epoch",
          finding: `Right is forgotten, down is kept; ${r.oracle === null ? "" : "diamond: the oracle, which never saw the texts; "}dashed: the target${typeof budget === "number" ? `, and the budget of × ${figure(budget)} where it is in sight` : ""}. ${paths.map((p) => `${p.name} ended at ${figure(p.points.at(-1)![0], 3)} nats, × ${figure(p.points.at(-1)![1])}`).join("; ")}.`,
          paths,
          landmark: oraclePoint(r),
          target: r.target?.suffix_nll,
          budget: typeof budget === "number" ? budget : undefined,
          xName: "surprise at the forget set, nats per token",
          yName: "perplexity on general text, × before",
          format: (x) => figure(x, 4),
        }),
  );
}

/** Where a model that never saw the forget set stands, on the same axes. */
function oraclePoint({ oracle, before }: CompareResult): TradeoffOptions["landmark"] {
  if (oracle === null || before === null) return undefined;
  const nll = valueOf(oracle, "forget", "suffix_nll");
  const [is, was] = [oracle, before].map((d) => valueOf(d, "heldout", "perplexity"));
  if (nll === undefined || is === undefined || was === undefined) return undefined;
  return { name: "oracle", point: [nll, is / was] };
}

/** A column of the comparison as a picture: a row per run, the oracle last. */
type Panel = {
  readonly key: string;
  readonly title: string;
  readonly finding: string;
  readonly set: "forget" | "kept";
  readonly metric: string;
  readonly value: (row: CompareRow, start: number | undefined) => number | null;
  readonly aim?: "memorization_accuracy" | "suffix_nll";
  readonly unit: "share" | "nats";
};

const PANELS: readonly Panel[] = [
  {
    key: "m-accuracy",
    title: "Tokens of the forget set predicted",
    finding: "Lower is more forgotten.",
    set: "forget",
    metric: "memorization_accuracy",
    value: (row) => row.memorization_accuracy,
    aim: "memorization_accuracy",
    unit: "share",
  },
  {
    key: "m-nll",
    title: "Surprise at the forget set, nats",
    finding: "The target, not more: far beyond it shows that something was removed.",
    set: "forget",
    metric: "suffix_nll",
    value: (row) => row.suffix_nll,
    aim: "suffix_nll",
    unit: "nats",
  },
  {
    key: "m-kept",
    title: "Kept texts still recited",
    finding: "Higher is better kept.",
    set: "kept",
    metric: "exact_match",
    value: ({ kept_recited: ratio }, start) =>
      ratio === null || start === undefined ? null : ratio * start,
    unit: "share",
  },
  {
    key: "m-keptnll",
    title: "Surprise at the kept texts, nats",
    finding: "As little change as can be.",
    set: "kept",
    metric: "suffix_nll",
    value: (row) => row.kept_nll,
    unit: "nats",
  },
];

function panel(r: CompareResult, before: NonNullable<CompareResult["before"]>, p: Panel) {
  const start = valueOf(before, p.set, p.metric);
  const about = { before: start, target: p.aim && r.target?.[p.aim], colour: p.set };
  const oracle = r.oracle === null ? undefined : valueOf(r.oracle, p.set, p.metric);
  const rows = r.rows.flatMap((row): DotRow[] => {
    const after = p.value(row, start);
    return after === null ? [] : [{ ...about, name: nameOf(row, r), after }];
  });
  if (oracle !== undefined) {
    rows.push({ ...about, name: "oracle", after: oracle, before: undefined });
  }
  if (rows.length === 0) return undefined;
  const { key, title, finding } = p;
  const scale =
    p.unit === "share"
      ? { format: (x: number) => percent(x, 0), max: 1 }
      : { format: (x: number) => figure(x, 3) };
  return dots({ key, title, finding, rows, ...scale, values: false, half: true, min: 0 });
}

function multiples(r: CompareResult): Section[] {
  const { before } = r;
  if (before === null) return [];
  return [
    section(
      "columns",
      "Side by side",
      "One column at a time",
      html`<p>Hollow: before. Full: after. Bar: the target.</p>`,
      html`<div class="pair">${PANELS.map((p) => panel(r, before, p))}</div>`,
    ),
  ];
}

type RunColumn = readonly [head: Column, value: (row: CompareRow) => Piece];

/** A section that is one table, a row per run. */
function runsSection(
  r: CompareResult,
  [key, eyebrow, title]: readonly [key: string, eyebrow: string, title: string],
  columns: readonly RunColumn[],
  note: Html,
): Section {
  return section(
    key,
    eyebrow,
    title,
    html`<div class="compact scroll">
      ${table(
        title,
        ["run", ...columns.map(([head]) => head)],
        r.rows.map((row) => [nameOf(row, r), ...columns.map(([, value]) => value(row))]),
      )}
    </div>`,
    html`<p class="small faint">${note}</p>`,
  );
}

const ratio = (x: number | null): string => (x === null ? "–" : `× ${figure(x, 3)}`);

/** Runs that changed no weight say so: their row looks like any other. */
function servedOnly(r: CompareResult): string {
  const rows = r.rows.filter((row) => row.changed === 0 && row.patch_bytes !== null);
  if (rows.length === 0) return "";
  const names = rows.map((row) => nameOf(row, r)).join(", ");
  return ` Weights untouched: ${names}; such a patch acts only where the model is served with it.`;
}

const statusOf = (row: CompareRow): Piece =>
  row.error === null ? row.status.replaceAll("_", " ") : html`<span class="bad">failed</span>`;

const tableSection = (r: CompareResult): Section =>
  runsSection(
    r,
    ["rows", "Runs", "Every run"],
    [
      ["status", statusOf],
      [number("recited"), (row) => percent(row.recited)],
      [number("tokens"), (row) => percent(row.memorization_accuracy)],
      [number("nll"), (row) => figure(row.suffix_nll, 3)],
      [number("kept tokens"), (row) => ratio(row.kept_accuracy)],
      [number("kept recited"), (row) => ratio(row.kept_recited)],
      [number("perplexity"), (row) => ratio(row.perplexity)],
      [number("beyond"), (row) => figure(row.over_forgotten)],
    ],
    html`× is relative to before; beyond: texts whose surprise is over 1.5 × their own level.
    ${r.rows.flatMap((row) => (row.error === null ? [] : [html`<br /><strong>${nameOf(row, r)}</strong>: ${row.error}`]))}`,
  );

/** What each run left of what the model can do, where tasks were given. */
function tasksSection(r: CompareResult): Section[] {
  const names = [...new Set(r.rows.flatMap((row) => Object.keys(row.tasks ?? {})))];
  if (names.length === 0) return [];
  const of = (measured: CompareResult["before"], name: string) =>
    percent(measured?.utility?.[name]?.["acc"]?.value);
  const told = (measured: CompareResult["before"]) =>
    names.map((name) => `${name} ${of(measured, name)}`).join(", ");
  return [
    runsSection(
      r,
      ["tasks", "Tasks", "What each run can still do"],
      names.map((name): RunColumn => [number(name), (row) => percent(row.tasks?.[name])]),
      html`Share of the items answered right. Before:
      ${told(r.before)}.${r.oracle === null ? "" : ` Oracle: ${told(r.oracle)}.`}`,
    ),
  ];
}

const costSection = (r: CompareResult): Section =>
  runsSection(
    r,
    ["cost", "Cost", "What each run took and changed"],
    [
      [number("epochs"), (row) => figure(row.epochs)],
      [number("steps"), (row) => figure(row.steps)],
      [
        number("gradient range"),
        (row) => (row.gradient_range === null ? "–" : `× ${figure(row.gradient_range, 2)}`),
      ],
      [number("values trained"), (row) => figure(row.selected)],
      [number("patch"), (row) => bytes(row.patch_bytes)],
      [number("time"), (row) => duration(row.seconds)],
      [number("memory"), (row) => bytes(row.peak_rss_bytes)],
      ["directory", (row) => html`<code>${row.run}</code>${row.reused ? " (found)" : ""}`],
    ],
    html`Each directory holds that run's own report, settings and patch. Found: taken from an
    earlier comparison of the same model, texts and settings.${servedOnly(r)}`,
  );
