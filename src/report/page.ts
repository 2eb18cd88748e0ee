/** @file The page around the sections: one file, no script, nothing loaded from anywhere. */
import { CSS } from "./css.ts";
import { Html, html, type Piece } from "./html.ts";

/** A part of the report; `name` stands in the table of contents. */
export type Section = { readonly id: string; readonly name: string; readonly body: Html };

export const section = (id: string, name: string, title: string, ...body: Piece[]): Section => ({
  id,
  name,
  body: html`<section id="${id}">
    <h2>${title}</h2>
    ${body}
  </section>`,
});

// A page that may load nothing at all: whatever an id or a path holds, it stays text.
const POLICY = "default-src 'none'; style-src 'unsafe-inline'";

/** The whole document: the verdict first, then the sections with a table of contents between. */
export const page = (
  title: string,
  verdict: Html,
  sections: readonly Section[],
  footer: Piece,
): string =>
  html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width,initial-scale=1" />
        <meta http-equiv="Content-Security-Policy" content="${POLICY}" />
        <meta name="referrer" content="no-referrer" />
        <meta name="robots" content="noindex" />
        <title>${title}</title>
        <style>
          ${new Html(CSS)}
        </style>
      </head>
      <body>
        <main>
          <header>${verdict}</header>
          <nav aria-label="Sections">
            ${sections.map((s) => html`<a href="#${s.id}">${s.name}</a> `)}
          </nav>
          ${sections.map((s) => html`${s.body} `)}
        </main>
        <footer>${footer}</footer>
      </body>
    </html> `.text;
