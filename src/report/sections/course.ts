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
      : html`<div class="pair">${epochCharts(epochs, r, budget)}</div>`,
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

function epochCharts(
  epochs: readonly Epoch[],
  r: EraseResult | undefined,
  budget: number | undefined,
): Html[] {
  const before = (set: "forget" | "heldout" | "unseen", metric: string) =>
    r && valueOf(r.before, set, metric);
  const start = before("heldout", "perplexity");
  const unseen = before("unseen", "entropy");
  const level = (name: string, value: number | undefined) =>
    value === undefined ? undefined : { name, value };
  const chart = (
    metric: "memorization_accuracy" | "suffix_nll" | "entropy" | "perplexity",
    key: string,
    title: string,
    aim: { name: string; value: number } | undefined,
    format: (x: number) => string,
  ): Html => {
    const set = metric === "perplexity" ? "heldout" : "forget";
    const begin = before(set, metric);
    const points = [
      ...(begin === undefined || epochs[0]!.epoch === 0 ? [] : [[0, begin] as const]),
      ...epochs.map((e) => [e.epoch, e[metric]] as const),
    ];
    return course({
      key,
      title,
      finding: `${format(points[0]![1])} → ${format(points.at(-1)![1])}${aim === undefined ? "" : `, ${aim.name} ${format(aim.value)}`}.`,
      points,
      colour: set,
      level: aim,
      format,
      ...(metric === "perplexity" ? {} : { from: 0 }),
      ...(metric === "memorization_accuracy" && { to: 1 }),
    });
  };
  const short = (x: number): string => figure(x, 3);
  return [
    chart(
      "memorization_accuracy",
      "c-accuracy",
      "Tokens predicted, forget set",
      level("target", r?.target.memorization_accuracy),
      (x) => percent(x, 0),
    ),
    chart(
      "suffix_nll",
      "c-nll",
      "Surprise, forget set, nats",
      level("target", r?.target.suffix_nll),
      short,
    ),
    chart("entropy", "c-entropy", "Entropy, forget set, nats", level("never seen", unseen), short),
    chart(
      "perplexity",
      "c-perplexity",
      "Perplexity, general text",
      start === undefined || budget === undefined ? undefined : level("budget", start * budget),
      short,
    ),
  ];
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
