/** @file The cells of a target as Markdown tables, the best first; what was planned and is not there says `not run`. */
import type { Known } from "./figures.ts";
import type { Plan } from "./plan.ts";
import { rateWindows } from "./rates.ts";
import { nameOf } from "./sets.ts";
import {
  cellPath,
  cellsOf,
  codeHash,
  landmarkPath,
  LANDMARKS,
  readCell,
  type Cell,
} from "./store.ts";

type Column = readonly [title: string, value: (cell: Cell, target: Cell | undefined) => string];

const n = (x: number | null | undefined, digits = 3): string =>
  x === null || x === undefined ? "–" : x.toFixed(digits).replace(/^(-?)0\./, "$1.");
const known = (k: Known | undefined): string =>
  k === undefined ? "–" : `${n(k.accuracy)} / ${n(k.nll, 2)}`;
const over = (x: number | undefined, y: number | undefined, digits = 3): string =>
  x === undefined || y === undefined ? "–" : n(x / y, digits);

const name: Column = [
  "recipe",
  (c) => (c.factor === 1 ? c.recipe : `${c.recipe} (lr x ${c.factor.toPrecision(2)})`),
];

const MAIN: readonly Column[] = [
  name,
  ["lr", (c) => (c.lr === null ? "–" : String(Number(c.lr.toPrecision(2))))],
  ["status", (c) => c.status],
  ["forget acc / nll", (c) => known(c.figures?.forget)],
  ["worst text", (c) => n(c.figures?.forget.worst, 2)],
  ["kept acc x", (c, t) => over(c.figures?.kept.accuracy, t?.figures?.kept.accuracy)],
  ["kept recited x", (c, t) => over(c.figures?.kept.recited, t?.figures?.kept.recited)],
  ["kept nll", (c) => n(c.figures?.kept.nll)],
  ["perplexity x", (c, t) => over(c.figures?.perplexity, t?.figures?.perplexity)],
  ["LAMBADA", (c) => n(c.figures?.lambada?.accuracy)],
  ["KL held-out", (c) => n(c.figures?.divergence.heldout, 4)],
  [
    "run p95 (max)",
    (c) => (c.figures ? `${n(c.figures.sampled.p95, 0)} (${c.figures.sampled.max})` : "–"),
  ],
  ["a text's longest run, p95", (c) => n(c.figures?.sampled.attacked_p95, 0)],
];

const COST: readonly Column[] = [
  name,
  ["8 bits: acc / nll", (c) => known(c.figures?.quantised?.["8"])],
  ["4 bits: acc / nll", (c) => known(c.figures?.quantised?.["4"])],
  [
    "recited at 8, 4 bits",
    (c) =>
      c.figures?.quantised
        ? `${n(c.figures.quantised["8"].recited)}, ${n(c.figures.quantised["4"].recited)}`
        : "–",
  ],
  [
    "relearned: rest acc / nll, recited",
    ({ figures }) => {
      const r = figures?.relearned;
      return r ? `${n(r.accuracy)} / ${n(r.nll, 2)}, ${n(r.recited)}` : "–";
    },
  ],
  ["selected M", (c) => n(c.selected === null ? null : c.selected / 1e6, 1)],
  ["changed M", (c) => n(c.changed === null ? null : c.changed / 1e6, 1)],
  ["patch MB", (c) => n(c.patch_bytes === null ? null : c.patch_bytes / 1e6, 1)],
  ["moved", (c) => n(c.moved, 4)],
  ["gradient range", (c) => n(c.gradient_range, 1)],
  ["steps", (c) => String(c.steps)],
  ["seconds", (c) => n(c.seconds, 0)],
  ["peak GB", (c) => n(c.peak_rss_bytes / 1e9, 1)],
];

/** Kept texts first, then their likelihood; what did not get there stands below. */
export const better = (a: Cell, b: Cell): number =>
  Number(b.status === "reached") - Number(a.status === "reached") ||
  (b.figures?.kept.recited ?? 0) - (a.figures?.kept.recited ?? 0) ||
  (a.figures?.kept.nll ?? Infinity) - (b.figures?.kept.nll ?? Infinity);

export function tablesOf(plans: readonly Plan[]): string {
  const targets = [...new Map(plans.map((p) => [nameOf(p.target), p.target])).values()];
  return targets
    .map((target) =>
      tableOf(
        target,
        plans.filter((p) => nameOf(p.target) === nameOf(target)),
      ),
    )
    .join("\n\n");
}

function tableOf(target: Plan["target"], plans: readonly Plan[]): string {
  const landmarks = LANDMARKS.flatMap((l) => readCell(landmarkPath(target, l)) ?? []);
  const before = landmarks.find((c) => c.status === "target");
  const cells = plans.flatMap((p) => readCell(cellPath(p)) ?? []).sort(better);
  const missing = plans.filter((p) => readCell(cellPath(p)) === undefined);
  const rows = [...landmarks, ...cells];
  const code = codeHash();
  const old = cells.filter((c) => c.code !== code).length;
  const machines = [
    ...new Set(rows.map(({ machine: m }) => `${m.device}, ${m.threads} threads, ${m.cpu}`)),
  ];
  return [
    `### ${nameOf(target)}: ${cells.length} of ${plans.length} cells`,
    table(MAIN, rows, before),
    table(COST, rows, before),
    ...rates(cellsOf(target), before),
    ...(missing.length > 0
      ? [`not run: ${missing.map((p) => `${p.recipe.name}@${p.factor.toPrecision(2)}`).join(", ")}`]
      : []),
    ...(old > 0 ? [`${old} cells are of other versions of the code than ${code}`] : []),
    ...otherSamples(rows),
    `machines: ${machines.join("; ")}`,
  ].join("\n\n");
}

/** Rows whose attack or LAMBADA is of another size than that of most: their columns are not to be compared. */
export function otherSamples(rows: readonly Cell[]): string[] {
  const sizes = new Map<string, string[]>();
  for (const c of rows) {
    if (c.figures === null) continue;
    const { sampled, lambada } = c.figures;
    const size = `${sampled.draws} draws a text, ${lambada?.n ?? 0} passages`;
    sizes.set(size, [...(sizes.get(size) ?? []), name[1](c, undefined)]);
  }
  const [most, ...others] = [...sizes].sort(([, a], [, b]) => b.length - a.length);
  if (most === undefined || others.length === 0) return [];
  const list = others.map(([size, names]) => `${size}: ${names.join(", ")}`);
  return [`sampled runs and LAMBADA: ${most[0]}; but ${list.join("; ")}`];
}

/** The windows of learning rates, where some recipe has more than one. */
function rates(cells: readonly Cell[], before: Cell | undefined): string[] {
  const perplexity = before?.figures?.perplexity;
  const windows = perplexity === undefined ? [] : rateWindows(cells, perplexity);
  if (windows.length === 0) return [];
  const factors = (list: readonly number[]) =>
    list.map((x) => Number(x.toPrecision(2))).join(", ") || "none";
  return [
    rowsOf([
      ["recipe", "lr x, tried", "there with perplexity <= 1.2 x", "decades"],
      ...windows.map(({ recipe, tried, held, decades, open }) => [
        recipe,
        factors(tried),
        factors(held),
        decades === null ? "–" : `${open ? ">= " : ""}${decades.toFixed(1)}`,
      ]),
    ]),
  ];
}

function table(
  columns: readonly Column[],
  cells: readonly Cell[],
  before: Cell | undefined,
): string {
  return rowsOf([
    columns.map(([title]) => title),
    ...cells.map((c) => columns.map(([, value]) => value(c, before))),
  ]);
}

const rowsOf = ([head = [], ...rows]: readonly (readonly string[])[]): string =>
  [head, head.map(() => "---"), ...rows].map((l) => `| ${l.join(" | ")} |`).join("\n");
