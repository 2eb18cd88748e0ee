/** @file How the erasure went: measurements over the epochs against their levels, gradient norm over the steps. */
import type { EraseResult } from "../../eval/results.ts";
import { course, trace } from "../charts.ts";
import { html, number, table, type Html } from "../html.ts";
import { count, figure, median, percent } from "../numbers.ts";
import { section, type Section } from "../page.ts";
import type { Event } from "../read-run.ts";
import { valueOf } from "./verdict.ts";

const EPOCH = [
  "epoch",
  "active",
  "recited",
  "memorization_accuracy",
  "suffix_nll",
  "entropy",
  "perplexity",
] as const;
type Epoch = Record<(typeof EPOCH)[number], number>;
const STEP = ["step", "epoch", "loss", "gradNorm", "learningRate"] as const;
type Step = Record<(typeof STEP)[number], number>;

/** The events of one type that hold every number asked for. */
function numbersOf<K extends string>(
  events: readonly Event[],
  type: string,
  keys: readonly K[],
): Record<K, number>[] {
  return events
    .filter((e) => e["type"] === type && keys.every((k) => typeof e[k] === "number"))
    .map((e) => e as Record<K, number>);
}

/** Steps without a gradient tell the slope along the direction that they looked at: it stands in the norm's place. */
const withSlopes = (events: readonly Event[]): Event[] =>
  events.map((e) => (typeof e["slope"] === "number" ? { ...e, gradNorm: e["slope"] } : e));

/** A step taken again after a crash, or an epoch measured again, counts once: the last time. */
const once = <T>(rows: readonly T[], key: (row: T) => number): T[] =>
  [...new Map(rows.map((r) => [key(r), r])).values()].sort((a, b) => key(a) - key(b));

export function courseSection(
  r: EraseResult | undefined,
  events: readonly Event[],
  budget: number | undefined,
): Section | undefined {
  const epochs = once<Epoch>(numbersOf(events, "epoch", EPOCH), (e) => e.epoch);
  const steps = once<Step>(numbersOf(withSlopes(events), "step", STEP), (s) => s.step);
  if (epochs.length === 0 && steps.length === 0) return undefined;
  const notches = numbersOf(events, "notch", ["step", "strength"]);
  const turned = new Set(notches.map((n) => n.step)).size;
  const backoffs = events.filter((e) => e["type"] === "backoff").length;
  return section(
    "course",
    "Course",
    "How it went",
    html`<p>
      ${summary(epochs.length, turned > 0 ? `${count(turned, "turn")} of the dial` : count(steps.length, "step"), backoffs)}
      ${measuredOn(r !== undefined)}
    </p>`,
    epochs.length === 0
      ? undefined
      : html`<div class="pair">${CHARTS.map((c) => epochChart(c, epochs, { r, budget }))}</div>`,
    steps.length === 0
      ? undefined
      : normChart(
          steps,
          events.some((e) => typeof e["slope"] === "number"),
        ),
    epochs.length === 0 ? undefined : epochTable(epochs),
    steps.length === 0 ? undefined : stepTable(steps),
  );
}

function summary(epochs: number, moves: string, backoffs: number): string {
  const took = `${count(epochs, "epoch")}, ${moves}`;
  return backoffs === 0
    ? `${took}; the budget was never exceeded.`
    : `${took}; ${count(backoffs, "time")} the budget was exceeded or a step gave no finite loss, and the run went back and halved its step.`;
}

const measuredOn = (ended: boolean): string =>
  `Measured after every epoch, with the weights as they were in training${ended ? "; the numbers above are measured on what was written" : ""}.`;

/** What is known of the start, and what was asked for. */
type Known = {
  readonly r: EraseResult | undefined;
  readonly budget: number | undefined;
};

type Chart = {
  readonly metric: "memorization_accuracy" | "suffix_nll" | "entropy" | "perplexity";
  readonly set: "forget" | "heldout";
  readonly key: string;
  readonly title: string;
  readonly format: (x: number) => string;
  /** The line that the curve is to be read against. */
  readonly aim: { readonly name: string; readonly value: (known: Known) => number | undefined };
  readonly ends: { readonly from?: number; readonly to?: number };
};

const short = (x: number): string => figure(x, 3);

const CHARTS: readonly Chart[] = [
  {
    metric: "memorization_accuracy",
    set: "forget",
    key: "c-accuracy",
    title: "Tokens predicted, forget set",
    format: (x) => percent(x, 0),
    aim: { name: "target", value: ({ r }) => r?.target.memorization_accuracy },
    ends: { from: 0, to: 1 },
  },
  {
    metric: "suffix_nll",
    set: "forget",
    key: "c-nll",
    title: "Surprise, forget set, nats",
    format: short,
    aim: { name: "target", value: ({ r }) => r?.target.suffix_nll },
    ends: { from: 0 },
  },
  {
    metric: "entropy",
    set: "forget",
    key: "c-entropy",
    title: "Entropy, forget set, nats",
    format: short,
    aim: { name: "never seen", value: ({ r }) => r && valueOf(r.before, "unseen", "entropy") },
    ends: { from: 0 },
  },
  {
    metric: "perplexity",
    set: "heldout",
    key: "c-perplexity",
    title: "Perplexity, general text",
    format: short,
    aim: { name: "budget", value: budgetLine },
    ends: {},
  },
];

function budgetLine({ r, budget }: Known): number | undefined {
  const start = r && valueOf(r.before, "heldout", "perplexity");
  return start === undefined || budget === undefined ? undefined : start * budget;
}

function epochChart(chart: Chart, epochs: readonly Epoch[], known: Known): Html {
  const { metric, set, key, title, format, aim, ends } = chart;
  const begin = known.r && valueOf(known.r.before, set, metric);
  const points = [
    ...(begin === undefined || epochs[0]!.epoch === 0 ? [] : [[0, begin] as const]),
    ...epochs.map((e) => [e.epoch, e[metric]] as const),
  ];
  const value = aim.value(known);
  const level = value === undefined ? undefined : { name: aim.name, value };
  const against = level === undefined ? "" : `, ${level.name} ${format(level.value)}`;
  const finding = `${format(points[0]![1])} → ${format(points.at(-1)![1])}${against}.`;
  return course({ key, title, finding, points, colour: set, level, format, ...ends });
}

function normChart(steps: readonly Step[], slopes: boolean): Html {
  const norms = steps.map((s) => s.gradNorm);
  const largest = norms.reduce((a, b) => Math.max(a, b), -Infinity);
  return trace({
    key: "c-norm",
    title: `${slopes ? "Slope along each step's direction" : "Gradient norm"} over the steps, logarithmic`,
    finding: `Median ${figure(median(norms), 3)}, largest ${figure(largest, 3)}. A norm that runs away would say that the method is unstable here.`,
    points: steps.map((s) => [s.step, s.gradNorm] as const),
    colour: "unseen",
    format: (x) => figure(x, 2),
  });
}

const epochTable = (epochs: readonly Epoch[]): Html =>
  html`<details>
    <summary>The numbers of every epoch</summary>
    <div class="compact">
      ${table(
        "Measurements after every epoch",
        [
          "epoch",
          number("above target"),
          number("recited"),
          number("tokens"),
          number("nll"),
          number("entropy"),
          number("perpl."),
        ],
        epochs.map((e) => [
          e.epoch,
          e.active,
          e.recited,
          percent(e.memorization_accuracy),
          figure(e.suffix_nll, 3),
          figure(e.entropy, 3),
          figure(e.perplexity),
        ]),
      )}
    </div>
  </details>`;

function stepTable(steps: readonly Step[]): Html {
  const groups = grouped(steps);
  const rows = [...groups].map(([epoch, of]) => {
    const norms = of.map((s) => s.gradNorm);
    return [
      epoch,
      of.length,
      figure(of.at(-1)!.loss, 3),
      figure(median(norms), 3),
      figure(Math.max(...norms), 3),
      figure(of.at(-1)!.learningRate, 2),
    ];
  });
  return html`<details>
    <summary>Loss and gradient norm of every epoch</summary>
    <div class="compact">
      ${table(
        "Steps of every epoch",
        [
          "epoch",
          number("steps"),
          number("loss"),
          number("median norm"),
          number("largest"),
          number("rate"),
        ],
        rows,
      )}
    </div>
  </details>`;
}

function grouped(steps: readonly Step[]): Map<number, Step[]> {
  const groups = new Map<number, Step[]>();
  for (const s of steps) groups.set(s.epoch, [...(groups.get(s.epoch) ?? []), s]);
  return groups;
}
