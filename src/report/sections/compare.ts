/** @file Before and after: the texts to forget against those to keep, those never seen, and general text. */
import type { EvaluateResult } from "../../eval/results.ts";
import { dots, type DotRow } from "../charts.ts";
import { html, type Html } from "../html.ts";
import { figure, percent } from "../numbers.ts";
import { section, type Section } from "../page.ts";
import { SET_LABEL, SET_MEANING, SETS, type SetKey } from "../words.ts";
import { measureTable } from "./measures.ts";
import { valueOf } from "./verdict.ts";

export type Comparison = {
  readonly before: EvaluateResult;
  readonly after: EvaluateResult;
  /** Levels that forgetting aims at, by metric. */
  readonly target?: Readonly<Record<string, number>>;
  /** Largest allowed perplexity relative to the start. */
  readonly budget?: number | undefined;
  readonly title?: string;
  /** What the kept set is called and is, where it is not the usual one. */
  readonly kept?: { readonly label: string; readonly meaning: string };
};

export function compareSection(c: Comparison, intro: string): Section {
  const present = SETS.filter((s) => c.before[s] !== undefined || c.after[s] !== undefined);
  return section(
    "compared",
    "Before and after",
    c.title ?? "What was lost, what was kept",
    html`<p>${intro}</p>`,
    keys(c.target !== undefined),
    accuracyChart(c, present),
    nllChart(c, present),
    perplexityChart(c),
    html`<h3>All measures</h3>`,
    html`<p class="small faint">
      ${present.map((s, i) => html`${i > 0 ? "; " : ""}<strong>${labelOf(c, s)}</strong>: ${meaningOf(c, s)}`)}.
      An arrow says which way is better; ± is one standard error.
    </p>`,
    measureTable(
      "All measures before and after",
      ["before", "after"],
      present.map((set) => ({ name: labelOf(c, set), values: [c.before[set], c.after[set]] })),
    ),
    ...tasksPart(c),
  );
}

/** What the model can do beside reciting: tasks before and after, where some were given. */
function tasksPart({ before, after }: Comparison): Html[] {
  const names = Object.keys(after.utility ?? {});
  if (names.length === 0) return [];
  return [
    html`<h3>Tasks</h3>`,
    measureTable(
      "Tasks before and after",
      ["before", "after"],
      names.map((name) => ({ name, values: [before.utility?.[name], after.utility?.[name]] })),
      "task",
    ),
  ];
}

const keys = (target: boolean): Html =>
  html`<p class="small faint keys" aria-hidden="true">
    <span><i class="key"></i>before</span
    ><span><i class="key full"></i>after</span
    >${target ? html`<span><i class="key bar"></i>target</span>` : undefined}
  </p>`;

const labelOf = (c: Comparison, set: SetKey): string =>
  (set === "kept" ? c.kept?.label : undefined) ?? SET_LABEL[set];

const meaningOf = (c: Comparison, set: SetKey): string =>
  (set === "kept" ? c.kept?.meaning : undefined) ?? SET_MEANING[set];

const rowOf =
  (c: Comparison, metric: string) =>
  (set: SetKey): DotRow => ({
    name: labelOf(c, set),
    before: valueOf(c.before, set, metric),
    after: valueOf(c.after, set, metric),
    target: set === "forget" ? c.target?.[metric] : undefined,
    colour: set,
  });

const told = (rows: readonly DotRow[], format: (x: number | undefined) => string): string =>
  `${rows.map((r) => `${r.name} ${format(r.before)} → ${format(r.after)}`).join(", ")}${rows[0]?.target === undefined ? "" : `; target ${format(rows[0].target)}`}.`;

const hasBoth = (r: DotRow): boolean => r.before !== undefined && r.after !== undefined;

function accuracyChart(c: Comparison, present: readonly SetKey[]): Html | undefined {
  const rows = present
    .filter((s) => s !== "heldout")
    .map(rowOf(c, "memorization_accuracy"))
    .filter(hasBoth);
  if (rows.length === 0) return undefined;
  return dots({
    key: "accuracy",
    title: "Tokens predicted",
    finding: told(rows, (x) => percent(x)),
    rows,
    format: (x) => percent(x, Number.isInteger(x * 20) ? 0 : 1),
    min: 0,
    max: 1,
  });
}

function nllChart(c: Comparison, present: readonly SetKey[]): Html | undefined {
  const rows = present
    .filter((s) => s !== "heldout")
    .map(rowOf(c, "suffix_nll"))
    .filter(hasBoth);
  if (rows.length === 0) return undefined;
  return dots({
    key: "surprise",
    title: "Surprise at the text, nats per token",
    finding: told(rows, (x) => figure(x, 3)),
    rows,
    format: (x) => figure(x, 3),
    min: 0,
  });
}

function perplexityChart(c: Comparison): Html | undefined {
  const row = rowOf(c, "perplexity")("heldout");
  const { before, after } = row;
  if (before === undefined || after === undefined) return undefined;
  const limit = c.budget === undefined ? undefined : before * c.budget;
  const most = Math.max(before, after, limit ?? 0);
  const low = Math.min(before, after);
  return dots({
    key: "perplexity",
    title: "Perplexity on general text",
    finding: `${figure(before)} → ${figure(after)}, × ${figure(after / before)}${limit === undefined ? "" : `; the budget ends at ${figure(limit)} (bar)`}.`,
    rows: [{ ...row, target: limit }],
    format: (x) => figure(x),
    min: tidyLow(low, most),
  });
}

/** A round start of the axis, so that a small change can be seen without filling the width. */
const tidyLow = (low: number, most: number): number => {
  const span = Math.max(2 * (most - low), most * 0.02);
  const power = 10 ** Math.floor(Math.log10(span / 4));
  const step = power * ([1, 2, 5, 10].find((n) => n * power >= span / 4) ?? 10);
  return Math.max(0, Number((Math.floor((most - span) / step) * step).toPrecision(6)));
};
