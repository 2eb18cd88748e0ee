/**
 * @file ECharts without a browser: an option in, one SVG string out, no script. Colours are placeholders that become CSS
 * variables, so that light, dark and print need no second drawing; ids are the caller's, so that the same run gives the same file.
 */
import { LineChart, ScatterChart } from "echarts/charts";
import { GridComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import { Html, html } from "./html.ts";

use([LineChart, ScatterChart, GridComponent, SVGRenderer]);

/** Placeholders that stand for CSS variables; their values are never seen. */
export const INK = "#010101";
export const FAINT = "#020202";
export const RULE = "#060606";
export const PAPER = "#070707";
export const COLOUR = {
  forget: "#030303",
  kept: "#040404",
  unseen: "#050505",
  heldout: "#080808",
} as const;
export type Colour = keyof typeof COLOUR;

const VARIABLES: readonly (readonly [string, string])[] = [
  [INK, "--ink"],
  [FAINT, "--faint"],
  [RULE, "--line"],
  [PAPER, "--paper"],
  [COLOUR.forget, "--forget"],
  [COLOUR.kept, "--kept"],
  [COLOUR.unseen, "--unseen"],
  [COLOUR.heldout, "--heldout"],
];

/** Width in pixels of a drawing for a phone, or for half of the text column. */
export const NARROW = 340;
export const WIDE = 700;

/** What charts agree on: quiet labels, axes without lines, rules, series that answer to nothing. */
export const text = { color: FAINT, fontSize: 12 };
export const bare = { axisLine: { show: false }, axisTick: { show: false } };
export const rules = { splitLine: { lineStyle: { color: RULE } } };
export const OFF = { silent: true, emphasis: { disabled: true } };

/** `key` must be unique in the page. */
export function draw(key: string, width: number, height: number, option: object): Html {
  const chart = init(null, null, { renderer: "svg", ssr: true, width, height });
  chart.setOption({ animation: false, ...option });
  const svg = VARIABLES.reduce(
    (text, [placeholder, variable]) => text.replaceAll(placeholder, `var(${variable})`),
    chart.renderToSVGString(),
  );
  chart.dispose(); // its clock would keep the process alive
  return new Html(
    svg
      .replace(/<style[^>]*>[\s\S]*?<\/style>/g, "")
      .replace(/ (?:ecmeta_\w+|class)="[^"]*"/g, "")
      .replace(/zr\d+-/g, `${key}-`)
      .replaceAll("font-family:sans-serif", "font-family:inherit")
      .replace(
        /^<svg width="(\d+)" height="(\d+)"[^>]*>/,
        (_, w: string, h: string) =>
          `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${w} ${h}" width="${w}" height="${h}" aria-hidden="true" focusable="false">`,
      ),
  );
}

export type Caption = {
  /** What is drawn, a few words. */
  readonly title: string;
  /** What it shows, one sentence; also what a screen reader says. */
  readonly finding: string;
};

/** A figure with its title and finding; a second drawing, when given, takes over on narrow screens. */
export function figureOf({ title, finding }: Caption, drawing: Html, narrow?: Html): Html {
  const both =
    narrow === undefined
      ? drawing
      : html`<div class="at-wide">${drawing}</div>
          <div class="at-narrow">${narrow}</div>`;
  return html`<figure>
    <figcaption><strong>${title}</strong> <span>${finding}</span></figcaption>
    <div role="img" aria-label="${title}: ${finding}">${both}</div>
  </figure>`;
}
