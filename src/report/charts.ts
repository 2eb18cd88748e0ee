/**
 * @file Charts as inline SVG, drawn by ECharts without a browser: no script in the page. Colours are placeholders that become
 * CSS variables, so that light and dark need no second drawing.
 */
import * as echarts from "echarts";
import { Html, html } from "./html.ts";

/** Placeholder → CSS variable; values are never seen. */
const COLOURS: readonly [string, string][] = [
  ["#010101", "var(--ink)"],
  ["#020202", "var(--faint)"],
  ["#030303", "var(--forget)"],
  ["#040404", "var(--kept)"],
  ["#050505", "var(--unseen)"],
  ["#060606", "var(--line)"],
];
export const INK = "#010101";
export const FAINT = "#020202";
export const FORGET = "#030303";
export const KEPT = "#040404";
export const UNSEEN = "#050505";
const LINE = "#060606";

type Series = {
  name: string;
  colour: string;
  values: readonly (number | null)[];
  dashed?: boolean;
};

function draw(
  option: object,
  { width, height, label }: { width: number; height: number; label: string },
): Html {
  const chart = echarts.init(null, null, { renderer: "svg", ssr: true, width, height });
  chart.setOption({ animation: false, textStyle: { fontFamily: "inherit" }, ...option });
  let svg = chart.renderToSVGString();
  chart.dispose();
  for (const [placeholder, variable] of COLOURS) svg = svg.replaceAll(placeholder, variable);
  svg = svg
    .replace(
      /^<svg width="(\d+)" height="(\d+)"/,
      '<svg viewBox="0 0 $1 $2" preserveAspectRatio="xMidYMid meet"',
    )
    .replace(/<style[^>]*>[\s\S]*?<\/style>/g, "");
  return html`<figure role="img" aria-label="${label}">
    ${new Html(svg)}
    <figcaption>${label}</figcaption>
  </figure>`;
}

const axis = (name: string, more: object = {}) => ({
  name,
  nameLocation: "middle",
  nameGap: 30,
  nameTextStyle: { color: FAINT },
  axisLabel: { color: FAINT },
  axisLine: { lineStyle: { color: LINE } },
  splitLine: { lineStyle: { color: LINE } },
  ...more,
});
const legend = { textStyle: { color: INK }, top: 0 };

/** Values over the epochs, with dashed lines for targets. */
export function lines(
  label: string,
  yName: string,
  epochs: readonly number[],
  series: readonly Series[],
): Html {
  return draw(
    {
      legend,
      grid: { left: 56, right: 16, top: 36, bottom: 44 },
      xAxis: axis("epoch", { type: "category", data: epochs }),
      yAxis: axis(yName, { type: "value", scale: true, nameGap: 40 }),
      series: series.map((s) => ({
        name: s.name,
        type: "line",
        data: s.values,
        symbol: s.dashed === true ? "none" : "circle",
        symbolSize: 5,
        itemStyle: { color: s.colour },
        lineStyle: { color: s.colour, width: 2, type: s.dashed === true ? "dashed" : "solid" },
      })),
    },
    { width: 640, height: 280, label },
  );
}

/** Before and after, side by side per set. */
export function bars(
  label: string,
  groups: readonly string[],
  before: readonly (number | null)[],
  after: readonly (number | null)[],
): Html {
  const bar = (name: string, data: readonly (number | null)[], color: string) => ({
    name,
    type: "bar",
    data,
    itemStyle: { color },
    barMaxWidth: 44,
    label: {
      show: true,
      position: "top",
      color: INK,
      formatter: ({ value }: { value: number }) => String(Number(Number(value).toPrecision(3))),
    },
  });
  return draw(
    {
      legend,
      grid: { left: 44, right: 16, top: 44, bottom: 30 },
      xAxis: axis("", { type: "category", data: groups, axisLabel: { color: INK } }),
      yAxis: axis("", { type: "value", min: 0 }),
      series: [bar("before", before, FAINT), bar("after", after, KEPT)],
    },
    { width: 640, height: 260, label },
  );
}
