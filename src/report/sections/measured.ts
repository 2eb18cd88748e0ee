/** @file The reports of audit, evaluate and memorize: a verdict in one line, then what was measured. */
import type { AuditResult, EvaluateResult, MemorizeResult } from "../../eval/results.ts";
import type { MetricValue } from "../../eval/summary.ts";
import type { Manifest } from "../../run/types.ts";
import { course, dots } from "../charts.ts";
import { html, number, table, type Html, type Piece } from "../html.ts";
import { count, duration, figure, percent } from "../numbers.ts";
import { section, type Section } from "../page.ts";
import { SET_LABEL, SET_MEANING, SETS } from "../words.ts";
import { compareSection } from "./compare.ts";
import { measureTable } from "./measures.ts";
import { leftOut } from "./texts.ts";
import { overline } from "./verdict.ts";

export type Part = { readonly verdict: Html; readonly sections: readonly Section[] };
type Metrics = Readonly<Record<string, MetricValue>>;

export const verdictOf = (manifest: Manifest, title: string, tone: string, meaning: Piece): Html =>
  html`${overline(manifest)}
    <h1 class="${tone}">${title}</h1>
    <p class="lead">${meaning}</p>`;

export function auditPart(r: AuditResult, manifest: Manifest): Part {
  const accuracy = r.metrics["memorization_accuracy"]?.value;
  const skipped =
    r.skipped === 0
      ? ""
      : ` ${count(r.skipped, "text")} too short to judge ${r.skipped === 1 ? "was" : "were"} left out.`;
  const verdict = verdictOf(
    manifest,
    r.recited === 0 ? "None recited" : `${figure(r.recited)} of ${figure(r.texts)} recited`,
    r.recited === 0 ? "good" : "bad",
    `The model completes ${r.recited === 0 ? "none" : percent(r.recited / r.texts)} of the ${count(r.texts, "text")} word for word when it is given their beginning; of all their tokens it predicts ${percent(accuracy)}.${skipped}`,
  );
  return {
    verdict: html`${verdict}${leftOutIn(r)}`,
    sections: [rankedSection(r), metricsSection([["texts", r.metrics]])],
  };
}

/** Skipped texts by name, a line for each set; absent in runs of versions that did not keep their ids. */
const leftOutIn = ({ skipped_ids = {} }: Pick<EvaluateResult, "skipped_ids">): Html[] =>
  Object.entries(skipped_ids).map(([set, ids]) =>
    leftOut(ids, ` (${(SET_LABEL as Record<string, string>)[set] ?? set})`),
  );

function rankedSection({ ranked }: AuditResult): Section {
  const worst = ranked.slice(0, 20);
  const of = (row: AuditResult["ranked"][number], metric: string): number | undefined => {
    const x = row[metric];
    return typeof x === "number" ? x : undefined;
  };
  const chart = dots({
    key: "ranked",
    title: "Tokens predicted, text by text",
    finding: `The ${worst.length} texts that the model knows best; those that it recites in colour.`,
    rows: worst.map((row) => ({
      name: row.id,
      before: undefined,
      after: of(row, "memorization_accuracy"),
      colour: of(row, "exact_match") === 1 ? "forget" : "unseen",
    })),
    format: (x) => percent(x, 0),
    min: 0,
    max: 1,
    values: false,
  });
  return section(
    "ranked",
    "Texts",
    "Most memorised",
    worst.length === 0 ? html`<p>No text was measured.</p>` : chart,
    html`<div class="compact">
      ${table(
        "The most memorised texts",
        ["text", "recited", number("tokens"), number("surprise"), number("longest run")],
        ranked
          .slice(0, 100)
          .map((row) => [
            html`<code>${row.id}</code>`,
            of(row, "exact_match") === 1 ? html`<span class="bad">yes</span>` : "no",
            percent(of(row, "memorization_accuracy")),
            figure(of(row, "suffix_nll"), 3),
            figure(of(row, "longest_verbatim_run")),
          ]),
      )}
    </div>`,
  );
}

export function evaluatePart(r: EvaluateResult, manifest: Manifest): Part {
  const present = SETS.flatMap((s): [string, Metrics][] =>
    r[s] === undefined ? [] : [[SET_LABEL[s], r[s]]],
  );
  const recited = r.forget?.["exact_match"]?.value;
  const utility = Object.entries(r.utility ?? {});
  const meaning =
    present.length === 0
      ? `What the model scores on ${count(utility.length, "task")}.`
      : recited === undefined
        ? `What the model knows of ${count(present.length, "set")} of texts.`
        : `The model recites ${percent(recited)} of the texts to forget word for word and predicts ${percent(r.forget?.["memorization_accuracy"]?.value)} of their tokens.`;
  return {
    verdict: html`${verdictOf(manifest, "Measured", "calm", meaning)}${leftOutIn(r)}`,
    sections: [
      ...(present.length === 0 ? [] : [metricsSection(present, { intro: setsIntro(r) })]),
      ...(utility.length === 0
        ? []
        : [metricsSection(utility, { id: "utility", title: "Tasks", of: "task" })]),
    ],
  };
}

const setsIntro = (r: EvaluateResult): Html =>
  html`<p class="small faint">
    ${SETS.filter((s) => r[s] !== undefined).map(
      (s, i) => html`${i > 0 ? "; " : ""}<strong>${SET_LABEL[s]}</strong>: ${SET_MEANING[s]}`,
    )}.
  </p>`;

export function memorizePart(r: MemorizeResult, manifest: Manifest): Part {
  const all = r.recited === r.texts;
  const verdict = verdictOf(
    manifest,
    all ? "Memorised" : `${figure(r.recited)} of ${figure(r.texts)} memorised`,
    all ? "good" : "calm",
    html`After ${count(r.epochs, "epoch")} (${duration(r.seconds)}) the model in
      <code>${r.out}</code> recites ${r.recited} of ${count(r.texts, "text")} word for word.`,
  );
  return {
    verdict: html`${verdict}${leftOutIn(r)}`,
    sections: [
      ...(r.doses === undefined ? [] : [dosesSection(r.doses)]),
      compareSection(
        {
          before: r.before,
          after: r.after,
          title: "What was learnt, and what it cost",
          kept: { label: "to recite", meaning: "the texts that it was made to recite" },
        },
        "What the model knew of the texts before and after, and what that cost on general text.",
      ),
    ],
  };
}

/** How memorisation grows with the number of times that a text is shown. */
function dosesSection(doses: NonNullable<MemorizeResult["doses"]>): Section {
  const short = (x: number): string => figure(x, 3);
  const [least, most] = [doses[0]!, doses.at(-1)!];
  const chart = (
    metric: "memorization_accuracy" | "suffix_nll",
    key: string,
    title: string,
    format: (x: number) => string,
    to?: number,
  ): Html =>
    course({
      key,
      title,
      finding: `${format(least[metric])} when shown ${count(least.repeats, "time")} an epoch, ${format(most[metric])} when shown ${count(most.repeats, "time")}.`,
      points: doses.map((d) => [d.repeats, d[metric]] as const),
      colour: "kept",
      format,
      from: 0,
      ...(to !== undefined && { to }),
    });
  return section(
    "doses",
    "Doses",
    "What repetition did",
    html`<p>Texts were dealt to doses by the seed: how often each was shown in an epoch.</p>`,
    html`<div class="pair">
      ${chart("memorization_accuracy", "c-dose-accuracy", "Tokens recited, by dose", (x) => percent(x, 0), 1)}
      ${chart("suffix_nll", "c-dose-nll", "Surprise by dose, nats", short)}
    </div>`,
    table(
      "What each dose led to",
      ["shown an epoch", number("texts"), number("recited"), number("tokens"), number("nll")],
      doses.map((d) => [
        d.repeats,
        d.texts,
        d.recited,
        percent(d.memorization_accuracy),
        short(d.suffix_nll),
      ]),
    ),
  );
}

function metricsSection(
  sets: readonly (readonly [string, Metrics])[],
  {
    id = "measured",
    title = "Measured",
    of = "texts",
    intro,
  }: { id?: string; title?: string; of?: string; intro?: Html } = {},
): Section {
  const rows = sets.map(([name, values]) => ({ name, values: [values] }));
  return section(id, title, title, intro, measureTable(title, ["value"], rows, of));
}
