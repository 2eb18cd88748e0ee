/** @file The trade-off as a picture: how far each run forgot, and what that cost, after every epoch. */
import type { Html } from "./html.ts";
import { bare, COLOUR, draw, figureOf, INK, NARROW, OFF, PAPER, rules, text, WIDE } from "./svg.ts";
import type { Caption } from "./svg.ts";

export type Path = {
  readonly name: string;
  /** [forgotten, cost], in the order in which they were measured. */
  readonly points: readonly (readonly [number, number])[];
};

export type TradeoffOptions = Caption & {
  readonly key: string;
  readonly paths: readonly Path[];
  /** A place to compare with that no run went to: a diamond. */
  readonly landmark:
    { readonly name: string; readonly point: readonly [number, number] } | undefined;
  /** Where forgetting aims at. */
  readonly target: number | undefined;
  /** The largest allowed cost. */
  readonly budget: number | undefined;
  readonly xName: string;
  readonly yName: string;
  readonly format: (x: number) => string;
};

/** Four colours by three kinds of line: twelve runs can be told apart, in print too. */
const COLOURS = Object.values(COLOUR);
const LINES = ["solid", "dashed", "dotted"] as const;

const [TOP, BOTTOM] = [34, 44];
/** Names of runs that end within this share of the width may touch; a line of them, in pixels. */
const NEAR = 0.25;
const LINE_HEIGHT = 14;

/** A line per run from where it began to where it ended, with a full dot and its name at the end. */
export function tradeoff(options: TradeoffOptions): Html {
  const { key } = options;
  return figureOf(options, at(`${key}-w`, WIDE, options), at(`${key}-n`, NARROW, options));
}

function at(key: string, width: number, o: TradeoffOptions): Html {
  const axis = { axisLabel: text, ...bare };
  const named = { nameTextStyle: text };
  const span = spanOf(o);
  const height = width === WIDE ? 380 : 320;
  const offsets = labelOffsets(
    o.paths.map((p) => p.points.at(-1)!),
    span,
    height - TOP - BOTTOM,
  );
  const limits = [
    ...(o.target === undefined ? [] : [rule("x", o.target, span)]),
    ...(o.budget === undefined || !inSight(o.budget, span) ? [] : [rule("y", o.budget, span)]),
  ];
  return draw(key, width, height, {
    grid: { left: 52, right: width === WIDE ? 110 : 84, top: TOP, bottom: BOTTOM },
    xAxis: {
      type: "value",
      name: o.xName,
      nameLocation: "middle",
      nameGap: 28,
      min: 0,
      ...named,
      ...axis,
      ...rules,
    },
    yAxis: {
      type: "value",
      scale: true,
      name: o.yName,
      nameLocation: "end",
      nameTextStyle: { ...named.nameTextStyle, align: "left", padding: [0, 0, 0, -40] },
      ...axis,
      axisLabel: { ...text, formatter: o.format },
      ...rules,
    },
    series: [
      ...limits,
      ...o.paths.map((path, i) => series(path, i, offsets[i]!)),
      ...(o.landmark === undefined ? [] : [diamond(o.landmark)]),
    ],
  });
}

type Span = { readonly x: number; readonly low: number; readonly high: number };

function spanOf({ paths, landmark }: Pick<TradeoffOptions, "paths" | "landmark">): Span {
  const all = [...paths.flatMap((p) => p.points), ...(landmark ? [landmark.point] : [])];
  const ys = all.map(([, y]) => y);
  return {
    x: Math.max(...all.map(([x]) => x)),
    low: Math.min(...ys),
    high: Math.max(...ys),
  };
}

/** Whether a level can be drawn without pressing the runs flat. */
export const inSight = (level: number, { low, high }: { low: number; high: number }): boolean =>
  level - low <= 3 * (high - low);

function series({ name, points }: Path, i: number, offset: number): object {
  const color = COLOURS[i % COLOURS.length];
  const type = LINES[Math.floor(i / COLOURS.length) % LINES.length];
  return {
    type: "line",
    symbol: "circle",
    lineStyle: { color, type, width: 2 },
    data: points.map((value, k) => ({
      value,
      symbolSize: k === points.length - 1 ? 10 : 4,
      itemStyle: { color: k === 0 ? PAPER : color, borderColor: color, borderWidth: 1.5 },
      ...(k === points.length - 1 && { label: labelOf(name, offset) }),
    })),
    ...OFF,
  };
}

const labelOf = (name: string, offset: number): object => ({
  show: true,
  position: "right",
  offset: [2, offset],
  color: INK,
  fontSize: 12,
  formatter: name,
});

function diamond({ name, point }: NonNullable<TradeoffOptions["landmark"]>): object {
  return {
    type: "scatter",
    symbol: "diamond",
    symbolSize: 16,
    itemStyle: { color: PAPER, borderColor: INK, borderWidth: 2 },
    data: [{ value: point, label: { ...labelOf(name, 0), position: "left", offset: [-2, 0] } }],
    ...OFF,
  };
}

/**
 * Pixels by which each name moves down so that none touches another: from the highest end down, a name stands a line below the
 * last one that is near it sideways.
 */
export function labelOffsets(
  ends: readonly (readonly [number, number])[],
  { x: width, low, high }: Span,
  pixels: number,
): number[] {
  const top = ([, y]: readonly [number, number]) => ((high - y) / (high - low || 1)) * pixels;
  const placed: { x: number; y: number }[] = [];
  const offsets = new Array<number>(ends.length).fill(0);
  const order = [...ends.keys()].sort((a, b) => top(ends[a]!) - top(ends[b]!) || a - b);
  for (const i of order) {
    const end = ends[i]!;
    const near = placed.filter((p) => Math.abs(p.x - end[0]) <= NEAR * width);
    const y = Math.max(top(end), ...near.map((p) => p.y + LINE_HEIGHT));
    placed.push({ x: end[0], y });
    offsets[i] = y - top(end);
  }
  return offsets;
}

function rule(axis: "x" | "y", value: number, { x, low, high }: Span): object {
  const data =
    axis === "x"
      ? [
          [value, low],
          [value, high],
        ]
      : [
          [0, value],
          [x, value],
        ];
  return {
    type: "line",
    data,
    symbol: "none",
    lineStyle: { color: INK, width: 1.2, type: "dashed" },
    ...OFF,
  };
}
