/**
 * @file From the fields of one row to a checked text record.
 * Refuses what would be guessed otherwise: texts that are no strings, ids that repeat, spans outside their text.
 */
import { createHash } from "node:crypto";
import { inputError } from "../base/errors.ts";
import { closestName } from "../base/suggest.ts";
import { isObject, kindOf } from "./json.ts";

/** A character range [start, end) in UTF-16 units, as JavaScript's strings count. */
export type Span = { start: number; end: number };

export type TextRecord = {
  readonly id: string;
  /** From 1; for .npy files from 0, as NumPy counts. */
  readonly row: number;
  readonly text?: string;
  readonly prefix?: string;
  readonly suffix?: string;
  readonly tokens?: { readonly ids: number[]; readonly vocabulary: "gpt2" };
  readonly spans?: readonly Span[];
  readonly group?: string;
};

/** What the readers yield. */
export type TextRecords = AsyncGenerator<TextRecord, void, undefined>;

export type Fields = Readonly<Record<string, unknown>>;
type Place = { file: string; row: number };
type Optional = { -readonly [K in keyof TextRecord]?: TextRecord[K] };

const fail = (
  { file, row }: Place,
  field: string,
  expected: string,
  got: string,
  wayOut = "correct the row or remove it",
): Error =>
  inputError(`${file} row ${row}: field ${field}: expected ${expected}, got ${got}`, { wayOut });

/** The record in the fields of a row; `textField` names the field that holds the text. */
export function toRecord(
  fields: Fields,
  { file, row, textField }: Place & { textField: string },
): TextRecord {
  const place = { file, row };
  const record: Optional = { ...pairOf(fields, place), ...groupOf(fields, place) };
  record.text = textOf(fields, record, { ...place, textField });
  const spans = fields["spans"];
  if (spans !== undefined && spans !== null && spans !== "") {
    if (record.prefix !== undefined) {
      const wayOut = "remove prefix and suffix (--prefix-tokens cuts the text), or the spans";
      throw fail(place, "spans", "none beside prefix and suffix", kindOf(spans), wayOut);
    }
    record.spans = spansOf(spans, record.text, place);
  }
  return { id: idOf(fields, place), row, ...record };
}

function textOf(
  fields: Fields,
  { prefix, suffix }: Optional,
  { textField, ...place }: Place & { textField: string },
): string {
  const value = fields[textField];
  if (value === undefined && prefix !== undefined && suffix !== undefined) return prefix + suffix;
  if (!Object.hasOwn(fields, textField)) throw unknownField(textField, Object.keys(fields), place);
  if (value === null || value === undefined || value === "") {
    throw fail(place, textField, "a text", "an empty one");
  }
  if (typeof value !== "string") throw fail(place, textField, "a string", kindOf(value));
  if (value.trim() === "") throw fail(place, textField, "a text", "white space only");
  if (prefix !== undefined && suffix !== undefined && value !== prefix + suffix) {
    const wayOut = "remove the field (prefix and suffix are the text), or remove these two";
    throw fail(place, textField, "prefix and suffix, joined as they are", "another text", wayOut);
  }
  return value;
}

/** The error for a field that the file does not have. */
export function unknownField(
  field: string,
  columns: readonly string[],
  { file, row }: Place,
): Error {
  const near = closestName(field, columns);
  // what stands first in a CSV file without a header is a text
  const names = columns.map((c) => (c.length > 40 ? `one of ${c.length} characters` : c));
  const have = columns.length === 0 ? "no fields" : `the fields ${names.join(", ")}`;
  const wayOut =
    near === undefined
      ? "name the field that holds the text with --text-field"
      : `did you mean --text-field ${near}?`;
  return inputError(`${file} row ${row}: expected a field ${field}, got ${have}`, { wayOut });
}

function idOf(fields: Fields, place: Place): string {
  const name = Object.hasOwn(fields, "id") ? "id" : "doc_id";
  const value = fields[name];
  if (value === undefined) return String(place.row);
  if (typeof value === "string" && value !== "") return value;
  if (typeof value === "bigint") return String(value);
  if (typeof value === "number" && Number.isSafeInteger(value)) return String(value);
  throw fail(
    place,
    name,
    "a string or a whole number below 2^53",
    value === "" ? "an empty one" : kindOf(value),
  );
}

function pairOf(fields: Fields, place: Place): Optional {
  const { prefix, suffix } = fields;
  const absent = (value: unknown) => value === undefined || value === null;
  if (absent(prefix) && absent(suffix)) return {};
  for (const [name, value] of Object.entries({ prefix, suffix })) {
    if (typeof value !== "string" || value === "") {
      const got = value === "" ? "an empty one" : kindOf(value ?? undefined);
      throw fail(place, name, "a string (prefix and suffix come together)", got);
    }
  }
  return { prefix: prefix as string, suffix: suffix as string };
}

function groupOf(fields: Fields, place: Place): Optional {
  const { group } = fields;
  if (group === undefined || group === null) return {};
  if (typeof group === "string") return { group };
  if (typeof group === "number" || typeof group === "bigint") return { group: String(group) };
  throw fail(place, "group", "a string", kindOf(group));
}

/**
 * The ranges in `[{ "start", "end" }]` or `[[start, end]]` (or the JSON of these, in CSV).
 * Files count characters (code points), as the programs that write them mostly do; records count UTF-16 units.
 */
function spansOf(value: unknown, text: string, place: Place): Span[] {
  const list = typeof value === "string" ? parseSpans(value, place) : value;
  if (!Array.isArray(list) || list.length === 0) {
    throw fail(place, "spans", "a list of { start, end }", kindOf(list));
  }
  const units = unitsOf(text);
  const length = units === undefined ? text.length : units.length - 1;
  return list.map((span: unknown) => {
    const pair: unknown[] = isObject(span)
      ? [span["start"], span["end"]]
      : Array.isArray(span) && span.length === 2
        ? span
        : [];
    const [start, end] = pair.map((at) => (typeof at === "bigint" ? Number(at) : at));
    const whole = Number.isSafeInteger(start) && Number.isSafeInteger(end);
    if (!whole || !((start as number) >= 0 && (start as number) < (end as number))) {
      throw fail(
        place,
        "spans",
        "0 <= start < end, whole numbers",
        JSON.stringify(span, bigToNumber),
      );
    }
    const [from, to] = [start as number, end as number];
    if (to > length) {
      throw fail(
        place,
        "spans",
        `ranges within the text's ${length} characters`,
        `[${from}, ${to})`,
      );
    }
    return units === undefined
      ? { start: from, end: to }
      : { start: units[from] ?? 0, end: units[to] ?? text.length };
  });
}

const bigToNumber = (_: string, value: unknown): unknown =>
  typeof value === "bigint" ? Number(value) : value;

function parseSpans(value: string, place: Place): unknown {
  try {
    return JSON.parse(value);
  } catch {
    throw fail(place, "spans", "a JSON list of [start, end]", kindOf(value));
  }
}

/** For each code point the UTF-16 unit where it begins, and the length; undefined when the two counts agree. */
function unitsOf(text: string): number[] | undefined {
  if (!/[\u{10000}-\u{10FFFF}]/u.test(text)) return undefined;
  const units: number[] = [];
  let at = 0;
  for (const character of text) {
    units.push(at);
    at += character.length;
  }
  units.push(at);
  return units;
}

/** A check that throws when an id comes a second time; it keeps a 53-bit hash and a row number for each. */
export function uniqueIds(): (id: string, place: Place) => void {
  const rows = new Map<number, number>();
  return (id, { file, row }) => {
    const digest = createHash("sha256").update(id).digest();
    const key = digest.readUIntBE(0, 6) * 32 + ((digest[6] ?? 0) >> 3);
    const before = rows.get(key);
    if (before !== undefined) {
      throw inputError(
        `${file} row ${row}: expected an id of its own, got "${id}", the id of row ${before}`,
        {
          wayOut: "give each text its own id, or leave the ids out to number the rows",
        },
      );
    }
    rows.set(key, row);
  };
}
