/** @file The page around the sections: one file, no script, light and dark, prints. */
import { Html, html } from "./html.ts";

const CSS = `
:root{color-scheme:light dark;--paper:#fff;--ink:#1b1f24;--faint:#667079;--line:#d9dee3;--soft:#f4f6f8;--forget:#c2410c;--kept:#1d6fb8;--unseen:#6b7280;--good:#15803d;--bad:#b91c1c}
@media (prefers-color-scheme:dark){:root{--paper:#14171a;--ink:#e6e9ec;--faint:#98a2ab;--line:#343a40;--soft:#1d2125;--forget:#fb923c;--kept:#60a5fa;--unseen:#9ca3af;--good:#4ade80;--bad:#f87171}}
*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:46rem;margin:0 auto;padding:2.5rem 1.25rem 4rem}h1{font-size:1.7rem;line-height:1.2;margin:0 0 .5rem}h2{font-size:1.2rem;margin:2.6rem 0 .6rem;padding-top:.8rem;border-top:1px solid var(--line)}
p{margin:.5rem 0}.lead{font-size:1.1rem}.faint,figcaption{color:var(--faint);font-size:.9rem}.good{color:var(--good)}.bad{color:var(--bad)}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(11rem,1fr));gap:.8rem;margin:1.2rem 0}.card{background:var(--soft);border-radius:.5rem;padding:.8rem 1rem}.card b{display:block;font-size:1.35rem;font-variant-numeric:tabular-nums}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.92rem;font-variant-numeric:tabular-nums}th,td{text-align:left;padding:.35rem .6rem .35rem 0;border-bottom:1px solid var(--line);vertical-align:top}td.n{text-align:right}th{color:var(--faint);font-weight:600}
figure{margin:1rem 0}svg{width:100%;height:auto}code{font:.88em ui-monospace,monospace;background:var(--soft);padding:.1em .3em;border-radius:.25em;overflow-wrap:anywhere}
@media print{main{max-width:none;padding:0}h2{break-after:avoid}figure,.card{break-inside:avoid}}`;

export const page = (title: string, sections: readonly (Html | undefined)[]): string =>
  html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width,initial-scale=1" />
        <title>${title}</title>
        <style>
          ${new Html(CSS)}
        </style>
      </head>
      <body>
        <main>${sections}</main>
      </body>
    </html>`.text;

export const section = (title: string, ...body: (Html | undefined)[]): Html =>
  html`<section>
    <h2>${title}</h2>
    ${body}
  </section>`;
