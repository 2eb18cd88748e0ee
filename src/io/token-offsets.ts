/**
 * @file Finds the characters that each token stands for, by laying the tokens' bytes along the text.
 * A token that holds a part of a character covers all of it. Gives up (undefined) where tokens and text differ
 * in more than what tokenizers do by rule: a space put before the text, white space eaten by an added token.
 */
import type { Span } from "./text-record.ts";

/** The bytes of a text, and for each byte the range of characters it came from. */
type Source = { bytes: Uint8Array; starts: Int32Array; ends: Int32Array; length: number };

type Piece = { text: string; start: number; end: number };

/** One token: the bytes it decodes to; `added` tokens may eat the white space around them. */
export type TokenBytes = { bytes: Uint8Array; added: boolean };

/** The range in UTF-16 units of each token of `text`; `normalize` is what the tokenizer did to the text first. */
export function alignTokens(
  text: string,
  tokens: readonly TokenBytes[],
  { normalize }: { normalize?: ((text: string) => string) | undefined } = {},
): Span[] | undefined {
  const characters = Array.from(text, (character): Piece => ({
    text: character,
    start: 0,
    end: 0,
  }));
  const plain = lay(sourceOf(placed(characters), text.length), tokens);
  if (plain !== undefined || normalize === undefined) return plain;
  const graphemes = [...new Intl.Segmenter("und").segment(text)].map(({ segment, index }) => ({
    text: normalize(segment),
    start: index,
    end: index + segment.length,
  }));
  return lay(sourceOf(graphemes, text.length), tokens);
}

function placed(pieces: Piece[]): Piece[] {
  let at = 0;
  for (const piece of pieces) {
    piece.start = at;
    at += piece.text.length;
    piece.end = at;
  }
  return pieces;
}

function sourceOf(pieces: readonly Piece[], length: number): Source {
  const bytes = Buffer.from(pieces.map((piece) => piece.text).join(""));
  const starts = new Int32Array(bytes.length);
  const ends = new Int32Array(bytes.length);
  let at = 0;
  for (const { text, start, end } of pieces) {
    const next = at + Buffer.byteLength(text);
    starts.fill(start, at, next);
    ends.fill(end, at, next);
    at = next;
  }
  return { bytes, starts, ends, length };
}

const isSpace = (byte: number | undefined): boolean =>
  byte === 0x20 || (byte !== undefined && byte >= 0x09 && byte <= 0x0d);

function lay(
  { bytes, starts, ends, length }: Source,
  tokens: readonly TokenBytes[],
): Span[] | undefined {
  const spans: Span[] = [];
  let at = 0;
  let first = true;
  const matches = (part: Uint8Array, from: number): boolean =>
    from + part.length <= bytes.length && part.every((byte, i) => bytes[from + i] === byte);
  const skipSpace = (from: number): number => {
    while (isSpace(bytes[from])) from++;
    return from;
  };
  for (const token of tokens) {
    let part = token.bytes;
    if (!matches(part, at)) {
      const bare = part.subarray(1);
      const skipped = skipSpace(at);
      if (first && part[0] === 0x20 && matches(bare, at)) part = bare;
      else if (matches(part, skipped)) at = skipped;
      else return undefined;
    }
    const end = at + part.length;
    spans.push(
      part.length === 0
        ? { start: starts[at] ?? length, end: starts[at] ?? length }
        : { start: starts[at] ?? length, end: ends[end - 1] ?? length },
    );
    at = end;
    // a tokenizer begins anew after an added token, and may put its space before the text again
    first = token.added;
  }
  return skipSpace(at) === bytes.length ? spans : undefined;
}
