/** @file All measures of some sets as one table: a group a measure with its meaning, a row a set; narrow enough for a phone. */
import type { MetricValue } from "../../eval/summary.ts";
import { html, type Html } from "../html.ts";
import { metricLabel, metricMeaning, metricValue } from "../words.ts";

type Metrics = Readonly<Record<string, MetricValue>>;

/** A set's name and its measures, one for each column; undefined where there are none. */
export type SetRow = { readonly name: string; readonly values: readonly (Metrics | undefined)[] };

const FIRST = [
  "exact_match",
  "memorization_accuracy",
  "max_memorization_accuracy",
  "suffix_nll",
  "perplexity",
];

const ARROW = { lower: "↓", higher: "↑", none: "" } as const;
const ARROW_WORD = { lower: "lower is better", higher: "higher is better", none: "" } as const;

/** The standard error is that of the last column. */
export function measureTable(
  caption: string,
  columns: readonly string[],
  sets: readonly SetRow[],
  of = "texts",
): Html {
  const named = new Set(sets.flatMap((s) => s.values.flatMap((v) => Object.keys(v ?? {}))));
  const names = [
    ...FIRST.filter((n) => named.has(n)),
    ...[...named].filter((n) => !FIRST.includes(n)),
  ];
  const heads = [...columns, "±", "better"];
  const group = (name: string): Html =>
    html`<tbody class="group">
      <tr>
        <th colspan="${heads.length + 1}" scope="rowgroup">
          ${metricLabel(name)}<span>${metricMeaning(name)}</span>
        </th>
      </tr>
      ${sets.map((set) => setRow(name, set))}
    </tbody>`;
  return html`<table class="compact">
    <caption class="unseen-text">
      ${caption}
    </caption>
    <thead>
      <tr>
        <th scope="col">${of}</th>
        ${heads.map((h) => html`<th scope="col" class="n">${h}</th>`)}
      </tr>
    </thead>
    ${names.map(group)}
  </table>`;
}

function setRow(name: string, set: SetRow): Html | undefined {
  const values = set.values.map((v) => v?.[name]);
  const last = values.findLast((v) => v !== undefined);
  if (last === undefined) return undefined;
  const error = last.stderr === null ? "" : metricValue(name, last.stderr, 2);
  return html`<tr>
    <th scope="row">${set.name}</th>
    ${values.map((v) => html`<td class="n">${metricValue(name, v?.value)}</td>`)}
    <td class="n dim">${error}</td>
    <td class="n">
      <span aria-hidden="true">${ARROW[last.better]}</span
      ><span class="unseen-text">${ARROW_WORD[last.better]}</span>
    </td>
  </tr>`;
}
