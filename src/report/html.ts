/** @file HTML made of escaped pieces: a template tag that escapes whatever is put into it, unless it is HTML already. */

export class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

type Piece = string | number | Html | undefined | readonly Piece[];

const escape = (s: string): string => s.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

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

/** A table; numbers are set right. */
export function table(head: readonly Piece[], rows: readonly (readonly Piece[])[]): Html {
  const cell = (c: Piece) =>
    typeof c === "number" || (typeof c === "string" && /^[-–]?[\d.]+( |%|$)/.test(c))
      ? html`<td class="n">${c}</td>`
      : html`<td>${c}</td>`;
  return html`<div class="wide">
    <table>
      <thead>
        <tr>
          ${head.map((h) => html`<th scope="col">${h}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (r) =>
            html`<tr>
              ${r.map(cell)}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

/** Four significant digits, or a dash. */
export const figure = (x: number | null | undefined): string =>
  x === null || x === undefined || !Number.isFinite(x) ? "–" : String(Number(x.toPrecision(4)));
