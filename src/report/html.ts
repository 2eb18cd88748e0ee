/** @file HTML made of escaped pieces: a template tag that escapes whatever is put into it, unless it is HTML already. */

export class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

export type Piece = string | number | Html | undefined | readonly Piece[];

export const escape = (s: string): string => s.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

function render(piece: Piece): string {
  if (piece === undefined) return "";
  if (piece instanceof Html) return piece.text;
  if (typeof piece === "string") return escape(piece);
  if (typeof piece === "number") return String(piece);
  return piece.map(render).join("");
}

export const html = (strings: TemplateStringsArray, ...pieces: Piece[]): Html =>
  new Html(
    strings.reduce((out, s, i) => out + s + (i < pieces.length ? render(pieces[i]) : ""), ""),
  );

/** A column's heading; `number` sets its cells right-aligned. */
export type Column = string | { readonly name: string; readonly number: true };

export const number = (name: string): Column => ({ name, number: true });

/** A table with a caption for screen readers; the first cell of each row is its heading. */
export function table(
  caption: string,
  columns: readonly Column[],
  rows: readonly (readonly Piece[])[],
): Html {
  const align = (i: number): string => (typeof columns[i] === "object" ? "n" : "");
  const head = columns.map((c, i) => {
    const name = typeof c === "string" ? c : c.name;
    return html`<th scope="col" class="${align(i)}">${name}</th>`;
  });
  const cell = (c: Piece, i: number): Html =>
    i === 0
      ? html`<th scope="row" class="${align(i)}">${c}</th>`
      : html`<td class="${align(i)}">${c}</td>`;
  const body = rows.map(
    (row) =>
      html`<tr>
        ${row.map(cell)}
      </tr>`,
  );
  return html`<table>
    <caption class="unseen-text">
      ${caption}
    </caption>
    <thead>
      <tr>
        ${head}
      </tr>
    </thead>
    <tbody>
      ${body}
    </tbody>
  </table>`;
}

/** Facts as name and value, one a line. */
export const facts = (rows: readonly (readonly [string, Piece])[]): Html =>
  html`<dl class="facts">
    ${rows.map(
      ([name, value]) =>
        html`<div>
          <dt>${name}</dt>
          <dd>${value}</dd>
        </div>`,
    )}
  </dl>`;
