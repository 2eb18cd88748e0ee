/** @file The report's charts: before and after as two dots on a line, and values over time with the level they aim at. */
import type { Html } from "./html.ts";
import {
  bare,
  COLOUR,
  draw,
  FAINT,
  figureOf,
  INK,
  NARROW,
  PAPER,
  RULE,
  WIDE,
  OFF,
  rules,
  text,
} from "./svg.ts";
import type { Caption, Colour } from "./svg.ts";

type Format = (x: number) => string;

export type DotRow = {
  readonly name: string;
  readonly before: number | undefined;
  readonly after: number | undefined;
  readonly target?: number | undefined;
  readonly colour: Colour;
};

export type DotOptions = Caption & {
  readonly key: string;
  readonly rows: readonly DotRow[];
  readonly format: Format;
  readonly min?: number;
  readonly max?: number;
  /** Values beside the dots; without, rows stand closer. */
  readonly values?: boolean;
  /** For half of the text column: one drawing, as on a phone. */
  readonly half?: boolean;
};

/** A hollow dot before, a full one after, a bar at the target: one row a set or text. */
export function dots(options: DotOptions): Html {
  const { key, half = false } = options;
  const narrow = dotsAt(`${key}-n`, NARROW, options);
  return half
    ? figureOf(options, narrow)
    : figureOf(options, dotsAt(`${key}-w`, WIDE, options), narrow);
}

function dotsAt(key: string, width: number, options: DotOptions): Html {
  const { rows, format, min, max, values = true } = options;
  const wide = width === WIDE;
  const letter = values ? 7.5 : 7; // pixels; generous, fonts differ
  const names = rows.map((r) => shortened(r.name, wide ? 30 : 16));
  const room = 10 + letter * Math.max(0, ...names.map((n) => n.length));
  const left = room + (values ? 46 : 0); // a value may stand left of a dot on the axis
  return draw(key, width, rows.length * (values ? 44 : 20) + 34, {
    grid: { left, right: values ? 58 : 16, top: 6, bottom: 28 },
    xAxis: {
      type: "value",
      ...(min === undefined ? { scale: true } : { min }),
      ...(max === undefined
        ? { splitNumber: wide ? 5 : 3 }
        : { max, interval: max / (wide ? 5 : 2) }),
      axisLabel: { ...text, formatter: format },
      ...bare,
      ...rules,
    },
    yAxis: {
      type: "category",
      inverse: true,
      data: names,
      axisLabel: {
        color: INK,
        fontSize: values ? 13 : 11,
        align: "left",
        margin: left,
        interval: 0,
      },
      ...bare,
    },
    series: rows.flatMap((row, i) => dotSeries(row, i, format, values)),
  });
}

/** The beginning and the end of a long name: ids of one folder differ at their end. */
function shortened(name: string, most: number): string {
  if (name.length <= most) return name;
  const end = Math.ceil((most - 1) * 0.6);
  return `${name.slice(0, most - 1 - end)}…${name.slice(-end)}`;
}

function dotSeries(row: DotRow, i: number, format: Format, values: boolean): object[] {
  const { before, after, target } = row;
  const color = COLOUR[row.colour];
  const same = before !== undefined && after !== undefined && format(before) === format(after);
  const side = (x: number, other: number | undefined, otherwise: "left" | "right") => {
    if (other === undefined || other === x) return otherwise;
    // a target just beyond the dot would strike through its value
    const beyond = target === undefined ? -1 : (target - x) * Math.sign(x - other);
    if (beyond > 0 && beyond < 1.5 * Math.abs(x - other) + x * 0.1) return "top";
    return x < other ? "left" : "right";
  };
  const point = (x: number, full: boolean, position: string, show: boolean) => ({
    value: [x, i],
    symbol: "circle",
    symbolSize: values ? 13 : 9,
    itemStyle: { color: full ? color : PAPER, borderColor: color, borderWidth: 2 },
    label: { show, position, distance: 7, color: INK, fontSize: 12, formatter: format(x) },
  });
  const data = [
    ...(before === undefined
      ? []
      : [point(before, false, side(before, after, "left"), values && !same)]),
    ...(after === undefined ? [] : [point(after, true, side(after, before, "right"), values)]),
  ];
  const line = {
    type: "line",
    data,
    lineStyle: { color, width: values ? 3 : 2, opacity: 0.45 },
    ...OFF,
  };
  const mark = {
    type: "scatter",
    data: [[target, i]],
    symbol: "rect",
    symbolSize: [2.5, values ? 24 : 14],
    itemStyle: { color: INK },
    ...OFF,
  };
  return target === undefined ? [line] : [line, { ...mark, z: 1 }];
}

export type CourseOptions = Caption & {
  readonly key: string;
  /** [x, y] in order. */
  readonly points: readonly (readonly [number, number])[];
  readonly colour: Colour;
  readonly format: Format;
  readonly level?: { readonly name: string; readonly value: number } | undefined;
  readonly from?: number;
  readonly to?: number;
};

/** A value over the epochs, small, with a dashed line at its level. */
export function course(options: CourseOptions): Html {
  const { key, points, colour, format, level, from, to } = options;
  const color = COLOUR[colour];
  const last = points.length - 1;
  const [first, end] = [points[0]?.[0] ?? 0, points[last]?.[0] ?? 1];
  const series = {
    type: "line",
    data: points.map(([x, y], i) => ({
      value: [x, y],
      symbolSize: i === last ? 8 : 4,
      ...(i === last && {
        label: { show: true, position: "right", color: INK, fontSize: 12, formatter: format(y) },
      }),
    })),
    symbol: "circle",
    itemStyle: { color },
    lineStyle: { color, width: 2 },
    ...OFF,
  };
  const dashed = level !== undefined && {
    type: "line",
    symbol: "none",
    data: [
      {
        value: [first, level.value],
        symbol: "circle",
        symbolSize: 0.01,
        label: {
          show: true,
          position: [0, -16],
          color: FAINT,
          fontSize: 12,
          formatter: `${level.name} ${format(level.value)}`,
        },
      },
      [end, level.value],
    ],
    lineStyle: { color: INK, width: 1.2, type: "dashed" },
    ...OFF,
  };
  return figureOf(
    options,
    draw(key, NARROW, 190, {
      grid: { left: 48, right: 54, top: 18, bottom: 26 },
      xAxis: epochAxis(first, end),
      yAxis: valueAxis(format, from, to),
      series: dashed === false ? [series] : [dashed, series],
    }),
  );
}

const epochAxis = (min: number, max: number): object => ({
  type: "value",
  min,
  max: Math.max(max, min + 1),
  minInterval: 1,
  splitNumber: 6,
  axisLabel: text,
  axisLine: { lineStyle: { color: RULE } },
  axisTick: { show: false },
  splitLine: { show: false },
});

const valueAxis = (format: Format, min?: number, max?: number): object => ({
  type: "value",
  ...(min === undefined ? { scale: true } : { min }),
  ...(max === undefined ? { splitNumber: 3 } : { max, interval: max / 4 }),
  axisLabel: { ...text, formatter: format },
  ...bare,
  ...rules,
});

/** Many values over the steps, on a logarithmic axis; at most 300 are drawn, the largest of each stretch. */
export function trace(options: Omit<CourseOptions, "level" | "from" | "to">): Html {
  const points = thinned(
    options.points.filter(([, y]) => y > 0),
    300,
  );
  const at = (suffix: string, width: number) =>
    draw(`${options.key}-${suffix}`, width, 180, {
      grid: { left: 52, right: 16, top: 10, bottom: 26 },
      xAxis: { ...epochAxis(points[0]?.[0] ?? 0, points.at(-1)?.[0] ?? 1), splitNumber: 5 },
      yAxis: { ...valueAxis(options.format), type: "log" },
      series: [
        {
          type: "line",
          data: points,
          symbol: "none",
          lineStyle: { color: COLOUR[options.colour], width: 1.5 },
          ...OFF,
        },
      ],
    });
  return figureOf(options, at("w", WIDE), at("n", NARROW));
}

type Point = readonly [number, number];

function thinned(points: readonly Point[], most: number): readonly Point[] {
  const stretch = Math.ceil(points.length / most);
  if (stretch <= 1) return points;
  return Array.from({ length: Math.ceil(points.length / stretch) }, (_, i) =>
    points.slice(i * stretch, (i + 1) * stretch).reduce((a, b) => (b[1] > a[1] ? b : a)),
  );
}
