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

function multiples(r: CompareResult): Section[] {
  if (r.before === null) return [];
  const { before, target } = r;
  const rowsOf = (
    value: (row: CompareRow) => number | null,
    start: number | undefined,
    { aim, oracle }: { aim?: number | undefined; oracle?: number | undefined },
  ) => {
    const rows = r.rows.map((row) => ({ name: nameOf(row, r), after: value(row), before: start }));
    const last = { name: "oracle", after: oracle ?? null, before: undefined };
    return [...rows, last].flatMap(({ after, ...row }): DotRow[] =>
      after === null ? [] : [{ ...row, after, target: aim, colour: "forget" }],
    );
  };
  const oracleOf = (set: "forget" | "kept", metric: string) =>
    r.oracle === null ? undefined : valueOf(r.oracle, set, metric);
  const chart = (
    key: string,
    title: string,
    finding: string,
    rows: readonly DotRow[],
    format: (x: number) => string,
    colour: DotRow["colour"],
  ): Html | undefined =>
    rows.length === 0
      ? undefined
      : dots({
          key,
          title,
          finding,
          rows: rows.map((x) => ({ ...x, colour })),
          format,
          values: false,
          half: true,
          min: 0,
          ...(format === share && { max: 1 }),
        });
  const keptStart = valueOf(before, "kept", "exact_match");
  const share = (x: number) => percent(x, 0);
  return [
    section(
      "columns",
      "Side by side",
      "One column at a time",
      html`<p>Hollow: before. Full: after. Bar: the target.</p>`,
      html`<div class="pair">
        ${chart(
          "m-accuracy",
          "Tokens of the forget set predicted",
          "Lower is more forgotten.",
          rowsOf(
            (x) => x.memorization_accuracy,
            valueOf(before, "forget", "memorization_accuracy"),
            {
              aim: target?.memorization_accuracy,
              oracle: oracleOf("forget", "memorization_accuracy"),
            },
          ),
          share,
          "forget",
        )}
        ${chart(
          "m-nll",
          "Surprise at the forget set, nats",
          "The target, not more: far beyond it shows that something was removed.",
          rowsOf((x) => x.suffix_nll, valueOf(before, "forget", "suffix_nll"), {
            aim: target?.suffix_nll,
            oracle: oracleOf("forget", "suffix_nll"),
          }),
          (x) => figure(x, 3),
          "forget",
        )}
        ${chart(
          "m-kept",
          "Kept texts still recited",
          "Higher is better kept.",
          rowsOf(
            (x) =>
              x.kept_recited === null || keptStart === undefined
                ? null
                : x.kept_recited * keptStart,
            keptStart,
            { oracle: oracleOf("kept", "exact_match") },
          ),
          share,
          "kept",
        )}
        ${chart(
          "m-keptnll",
          "Surprise at the kept texts, nats",
          "As little change as can be.",
          rowsOf((x) => x.kept_nll, valueOf(before, "kept", "suffix_nll"), {
            oracle: oracleOf("kept", "suffix_nll"),
          }),
          (x) => figure(x, 3),
          "kept",
        )}
      </div>`,
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
