/** @file The report of a comparison: who forgot how far at what price, as a picture, small multiples, and every number. */
import type { CompareResult, CompareRow } from "../../eval/results.ts";
import type { Manifest } from "../../run/types.ts";
import { dots, type DotRow } from "../charts.ts";
import { html, number, table, type Html } from "../html.ts";
import { bytes, count, duration, figure, percent } from "../numbers.ts";
import { section, type Section } from "../page.ts";
import { tradeoff } from "../tradeoff.ts";
import { valueOf } from "./verdict.ts";
import { verdictOf, type Part } from "./measured.ts";

export function comparePart(r: CompareResult, manifest: Manifest): Part {
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
    sections: [pictureSection(r, manifest), ...multiples(r), tableSection(r), costSection(r)],
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
          finding: `Right is forgotten, down is kept; dashed: the target${typeof budget === "number" ? `, and the budget of × ${figure(budget)} where it is in sight` : ""}. ${paths.map((p) => `${p.name} ended at ${figure(p.points.at(-1)![0], 3)} nats, × ${figure(p.points.at(-1)![1])}`).join("; ")}.`,
          paths,
          target: r.target?.suffix_nll,
          budget: typeof budget === "number" ? budget : undefined,
          xName: "surprise at the forget set, nats per token",
          yName: "perplexity on general text, × before",
          format: (x) => figure(x, 4),
        }),
  );
}

function multiples(r: CompareResult): Section[] {
  if (r.before === null) return [];
  const { before, target } = r;
  const rowsOf = (
    value: (row: CompareRow) => number | null,
    start: number | undefined,
    aim?: number,
  ) =>
    r.rows.flatMap((row): DotRow[] => {
      const after = value(row);
      return after === null
        ? []
        : [{ name: nameOf(row, r), before: start, after, target: aim, colour: "forget" }];
    });
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
            target?.memorization_accuracy,
          ),
          share,
          "forget",
        )}
        ${chart(
          "m-nll",
          "Surprise at the forget set, nats",
          "The target, not more: far beyond it shows that something was removed.",
          rowsOf((x) => x.suffix_nll, valueOf(before, "forget", "suffix_nll"), target?.suffix_nll),
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
          ),
          share,
          "kept",
        )}
        ${chart(
          "m-keptnll",
          "Surprise at the kept texts, nats",
          "As little change as can be.",
          rowsOf((x) => x.kept_nll, valueOf(before, "kept", "suffix_nll")),
          (x) => figure(x, 3),
          "kept",
        )}
      </div>`,
    ),
  ];
}

function tableSection(r: CompareResult): Section {
  return section(
    "rows",
    "Runs",
    "Every run",
    html`<div class="compact scroll">
      ${table(
        "Every run of the comparison",
        [
          "run",
          "status",
          number("recited"),
          number("tokens"),
          number("nll"),
          number("kept tokens"),
          number("kept recited"),
          number("perplexity"),
          number("beyond"),
        ],
        r.rows.map((row) => [
          nameOf(row, r),
          row.error === null
            ? row.status.replaceAll("_", " ")
            : html`<span class="bad">failed</span>`,
          percent(row.recited),
          percent(row.memorization_accuracy),
          figure(row.suffix_nll, 3),
          ratio(row.kept_accuracy),
          ratio(row.kept_recited),
          ratio(row.perplexity),
          figure(row.over_forgotten),
        ]),
      )}
    </div>`,
    html`<p class="small faint">
      × is relative to before; beyond: texts whose surprise is over 1.5 × their own level.
      ${r.rows.flatMap((row) => (row.error === null ? [] : [html`<br /><strong>${nameOf(row, r)}</strong>: ${row.error}`]))}
    </p>`,
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

function costSection(r: CompareResult): Section {
  return section(
    "cost",
    "Cost",
    "What each run took and changed",
    html`<div class="compact scroll">
      ${table(
        "What each run took",
        [
          "run",
          number("epochs"),
          number("steps"),
          number("gradient range"),
          number("values trained"),
          number("patch"),
          number("time"),
          number("memory"),
          "directory",
        ],
        r.rows.map((row) => [
          nameOf(row, r),
          figure(row.epochs),
          figure(row.steps),
          row.gradient_range === null ? "–" : `× ${figure(row.gradient_range, 2)}`,
          figure(row.selected),
          bytes(row.patch_bytes),
          duration(row.seconds),
          bytes(row.peak_rss_bytes),
          html`<code>${row.run}</code>${row.reused ? " (found)" : ""}`,
        ]),
      )}
    </div>`,
    html`<p class="small faint">
      Each directory holds that run's own report, settings and patch. Found: taken from an earlier
      comparison of the same model, texts and settings.${servedOnly(r)}
    </p>`,
  );
}
