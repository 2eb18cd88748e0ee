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

/** A line per run from where it began to where it ended, with a full dot and its name at the end. */
export function tradeoff(options: TradeoffOptions): Html {
  const { key } = options;
  return figureOf(options, at(`${key}-w`, WIDE, options), at(`${key}-n`, NARROW, options));
}

function at(key: string, width: number, o: TradeoffOptions): Html {
  const axis = { axisLabel: text, ...bare };
  const named = { nameTextStyle: text };
  const span = spanOf(o.paths);
  const limits = [
    ...(o.target === undefined ? [] : [rule("x", o.target, span)]),
    ...(o.budget === undefined || !inSight(o.budget, span) ? [] : [rule("y", o.budget, span)]),
  ];
  return draw(key, width, width === WIDE ? 380 : 320, {
    grid: { left: 52, right: width === WIDE ? 110 : 84, top: 34, bottom: 44 },
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
    series: [...limits, ...o.paths.map((path, i) => series(path, i, o.paths, span))],
  });
}

type Span = { readonly x: number; readonly low: number; readonly high: number };

function spanOf(paths: readonly Path[]): Span {
  const all = paths.flatMap((p) => p.points);
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

function series({ name, points }: Path, i: number, all: readonly Path[], span: Span): object {
  const color = COLOURS[i % COLOURS.length];
  const type = LINES[Math.floor(i / COLOURS.length) % LINES.length];
  const end = points.at(-1)!;
  return {
    type: "line",
    symbol: "circle",
    lineStyle: { color, type, width: 2 },
    data: points.map((value, k) => ({
      value,
      symbolSize: k === points.length - 1 ? 10 : 4,
      itemStyle: { color: k === 0 ? PAPER : color, borderColor: color, borderWidth: 1.5 },
      ...(k === points.length - 1 && {
        label: {
          show: true,
          position: "right",
          // names of runs that end at one place stand below one another
          offset: [2, 13 * crowd(end, all.slice(0, i), span)],
          color: INK,
          fontSize: 12,
          formatter: name,
        },
      }),
    })),
    ...OFF,
  };
}

/** How many earlier runs end so close by that the names would meet. */
function crowd(end: readonly [number, number], earlier: readonly Path[], span: Span): number {
  return earlier.filter((p) => {
    const [x, y] = p.points.at(-1)!;
    return (
      Math.abs(x - end[0]) <= 0.15 * span.x && Math.abs(y - end[1]) <= 0.05 * (span.high - span.low)
    );
  }).length;
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
