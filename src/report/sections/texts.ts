/** @file The texts that are still known best, by id; the text itself only where it was asked for. */
import type { TextLine } from "../../run/types.ts";
import { dots } from "../charts.ts";
import { html, type Html } from "../html.ts";
import { figure, percent } from "../numbers.ts";
import { section, type Section } from "../page.ts";

const MOST = 16;
const accuracy = (values: Record<string, number> | undefined): number | undefined =>
  values?.["memorization_accuracy"];

/** What a text's limit is held against: its worst window, where there is a limit. */
const now = (t: TextLine): Record<string, number> | undefined => t.worst ?? t.after;

/** How far above its limit a text still is; texts without one by their accuracy. */
const excess = (t: TextLine): number =>
  (accuracy(now(t) ?? t.before) ?? 0) - (t.target?.memorization_accuracy ?? 0);

/** Incomplete texts first, then by how far each is above its own target. */
export const worstFirst = (texts: readonly TextLine[]): TextLine[] =>
  [...texts].sort(
    (a, b) =>
      Number(b.status === "incomplete") - Number(a.status === "incomplete") ||
      excess(b) - excess(a),
  );

export function textsSection(texts: readonly TextLine[]): Section | undefined {
  const forget = texts.filter((t) => t.set === "forget");
  if (forget.length === 0) return undefined;
  const measured = worstFirst(forget.filter((t) => t.after !== undefined));
  const skipped = forget.filter((t) => t.status === "skipped");
  const worst = measured.slice(0, MOST);
  return section(
    "texts",
    "Texts",
    "The texts that are known best now",
    html`<p>
      ${measured.length > MOST ? `The ${MOST} of ${measured.length} texts` : `All ${measured.length} texts`}
      of the forget set, furthest above their own limit first. A limit is a text's own level, give
      or take two standard errors: it has few tokens; a long text is held to it window by window,
      and stands here with its worst. The set's mean is held to the target itself. Texts are named
      by id; their wording is not in this
      report${worst.some((t) => t.text !== undefined) ? ", except that it was asked for" : ""}.
    </p>`,
    worst.length === 0 ? undefined : textChart(worst),
    worst.length === 0 ? undefined : textTable(worst),
    skipped.length === 0 ? undefined : leftOut(skipped.map((t) => t.id)),
  );
}

const NAMED = 50;

/** Texts that were skipped, by name; `of` says of which set where there are several. */
export const leftOut = (ids: readonly string[], of = ""): Html =>
  html`<p class="small">
    Too short to judge, left out${of}:
    ${ids.slice(0, NAMED).map((id, i) => html`${i > 0 ? ", " : ""}<code>${id}</code>`)}${ids.length > NAMED ? ` and ${ids.length - NAMED} more` : ""}.
  </p>`;

const textChart = (worst: readonly TextLine[]): Html =>
  dots({
    key: "texts",
    title: "Tokens predicted, text by text",
    finding: `${worst.filter((t) => t.status === "erased").length} of the ${worst.length} texts shown are at their limit (bar), in tokens and in surprise.`,
    rows: worst.map((t) => ({
      name: t.id,
      before: accuracy(t.before),
      after: accuracy(now(t)),
      target: t.target?.memorization_accuracy,
      colour: "forget",
    })),
    format: (x) => percent(x, 0),
    min: 0,
    max: 1,
    values: false,
  });

function textTable(worst: readonly TextLine[]): Html {
  const row = (t: TextLine): Html => {
    const wording =
      t.text === undefined
        ? undefined
        : html`<tr class="text">
            <td colspan="6">${t.text}</td>
          </tr>`;
    const [run, surprise] = [t.after?.["longest_verbatim_run"], now(t)?.["suffix_nll"]];
    return html`<tr>
        <th scope="row">
          <code>${t.id}</code
          >${t.status === "incomplete" ? html` <span class="bad">above its limit</span>` : undefined}
        </th>
        <td class="n">${percent(accuracy(t.before))}</td>
        <td class="n">${percent(accuracy(now(t)))}</td>
        <td class="n">${percent(t.target?.memorization_accuracy)}</td>
        <td class="n">${figure(surprise, 3)} of ${figure(t.target?.suffix_nll, 3)}</td>
        <td class="n">${figure(run)}</td>
      </tr>
      ${wording}`;
  };
  return html`<table class="compact">
    <caption class="unseen-text">
      Tokens predicted of each text, before and after, at most so many; surprise after, at least so
      much
    </caption>
    <thead>
      <tr>
        <th scope="col">text</th>
        <th scope="col" class="n">before</th>
        <th scope="col" class="n">after</th>
        <th scope="col" class="n">limit</th>
        <th scope="col" class="n">surprise, of at least</th>
        <th scope="col" class="n">longest run</th>
      </tr>
    </thead>
    <tbody>
      ${worst.map(row)}
    </tbody>
  </table>`;
}
