/** @file Before and after: the texts to forget against those to keep, those never seen, and general text. */
import type { EvaluateResult } from "../../eval/results.ts";
import type { MetricValue } from "../../eval/summary.ts";
import { dots, type DotRow } from "../charts.ts";
import { html, type Html } from "../html.ts";
import { figure, percent } from "../numbers.ts";
import { section, type Section } from "../page.ts";
import {
  metricLabel,
  metricMeaning,
  metricValue,
  SET_LABEL,
  SET_MEANING,
  SETS,
  type SetKey,
} from "../words.ts";
import { valueOf } from "./verdict.ts";

export type Comparison = {
  readonly before: EvaluateResult;
  readonly after: EvaluateResult;
  /** Levels that forgetting aims at, by metric. */
  readonly target?: Readonly<Record<string, number>>;
  /** Largest allowed perplexity relative to the start. */
  readonly budget?: number | undefined;
};

const ORDER = [
  "exact_match",
  "memorization_accuracy",
  "max_memorization_accuracy",
  "suffix_nll",
  "perplexity",
];

export function compareSection(c: Comparison, intro: string): Section {
  const present = SETS.filter((s) => c.before[s] !== undefined || c.after[s] !== undefined);
  return section(
    "compared",
    "Before and after",
    "What was lost, what was kept",
    html`<p>${intro}</p>`,
    keys(c.target !== undefined),
    accuracyChart(c, present),
    nllChart(c, present),
    perplexityChart(c),
    html`<h3>All measures</h3>`,
    html`<p class="small faint">
      ${present.map((s, i) => html`${i > 0 ? "; " : ""}<strong>${SET_LABEL[s]}</strong>: ${SET_MEANING[s]}`)}.
      An arrow says which way is better; ± is one standard error.
    </p>`,
    comparisonTable(c, present),
  );
}

const keys = (target: boolean): Html =>
  html`<p class="small faint keys" aria-hidden="true">
    <span><i class="key"></i>before</span
    ><span><i class="key full"></i>after</span
    >${target ? html`<span><i class="key bar"></i>target</span>` : undefined}
  </p>`;

const rowOf =
  (c: Comparison, metric: string) =>
  (set: SetKey): DotRow => ({
    name: SET_LABEL[set],
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
  const step = 10 ** Math.floor(Math.log10(Math.max(most - low, most * 0.02)));
  return Math.max(0, Math.floor((low - (most - low)) / step) * step);
};

const ARROW = { lower: "↓", higher: "↑", none: "" } as const;
const ARROW_WORD = { lower: "lower is better", higher: "higher is better", none: "" } as const;

function comparisonTable({ before, after }: Comparison, present: readonly SetKey[]): Html {
  const named = new Set(
    present.flatMap((s) => [...Object.keys(before[s] ?? {}), ...Object.keys(after[s] ?? {})]),
  );
  const names = [
    ...ORDER.filter((n) => named.has(n)),
    ...[...named].filter((n) => !ORDER.includes(n)),
  ];
  const group = (name: string): Html => {
    const rows = present.flatMap((set): Html[] => {
      const [b, a] = [before[set]?.[name], after[set]?.[name]];
      if (b === undefined && a === undefined) return [];
      const better = (a ?? b)!.better;
      return [
        html`<tr>
          <th scope="row">${SET_LABEL[set]}</th>
          <td class="n">${shown(name, b)}</td>
          <td class="n">${shown(name, a)}</td>
          <td class="n dim">${error(name, a ?? b)}</td>
          <td class="n">
            <span aria-hidden="true">${ARROW[better]}</span
            ><span class="unseen-text">${ARROW_WORD[better]}</span>
          </td>
        </tr>`,
      ];
    });
    return html`<tbody class="group">
      <tr>
        <th colspan="5" scope="rowgroup">
          ${metricLabel(name)}<span>${metricMeaning(name)}</span>
        </th>
      </tr>
      ${rows}
    </tbody>`;
  };
  return html`<table class="compact">
    <caption class="unseen-text">
      All measures before and after
    </caption>
    <thead>
      <tr>
        <th scope="col">texts</th>
        <th scope="col" class="n">before</th>
        <th scope="col" class="n">after</th>
        <th scope="col" class="n">±</th>
        <th scope="col" class="n">better</th>
      </tr>
    </thead>
    ${names.map(group)}
  </table>`;
}

const shown = (name: string, v: MetricValue | undefined): string => metricValue(name, v?.value);
const error = (name: string, v: MetricValue | undefined): string =>
  v?.stderr === null || v === undefined ? "" : metricValue(name, v.stderr, 2);
