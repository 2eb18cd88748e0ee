/**
 * @file Streams the rows of JSONL, JSON, CSV, TSV and Parquet files through DuckDB, in constant memory.
 * Nothing is guessed from values: JSON objects come as they are, every CSV column is text (an id "007" stays "007").
 */
import { createReadStream } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { inputError, messageOf } from "../base/errors.ts";
import { isObject, jsonFault, kindOf } from "./json.ts";
import { unknownField, type Fields } from "./text-record.ts";
import { expectUtf8 } from "./utf8-check.ts";

export type RowFormat = "jsonl" | "json" | "csv" | "tsv" | "parquet";
type Source = { path: string; name: string; textField: string };

// DuckDB allocates a buffer of about this size for each reader; a text this long is a file, not a row
const MAX_ROW_BYTES = 64 * 1024 * 1024;
const KNOWN_FIELDS = ["id", "doc_id", "prefix", "suffix", "spans", "group"];

/** The rows of the file at `path`, called `name` in errors. */
export async function* readRows(format: RowFormat, source: Source): AsyncIterable<Fields> {
  if (format !== "parquet") await expectUtf8(source.path, source);
  try {
    if (format === "parquet") yield* parquetRows(source);
    else if (format === "csv" || format === "tsv") {
      yield* csvRows(source, format === "csv" ? "," : "\t");
    } else yield* jsonRows(source, format);
  } catch (error) {
    throw await rowError(error, format, source);
  }
}

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;
// DuckDB reads a path as a pattern
const pathLiteral = (path: string): string => quoted(resolve(path).replaceAll(/[*?[]/g, "[$&]"));

/** The rows of a query, as arrays, one chunk in memory at a time. */
export async function* query(sql: string): AsyncIterable<unknown[]> {
  const { DuckDBInstance } = await import("@duckdb/node-api");
  // one thread: rows come in the file's order without being held back; no extension is ever fetched
  const database = await DuckDBInstance.create(":memory:", {
    threads: "1",
    autoinstall_known_extensions: "false",
  });
  const connection = await database.connect();
  try {
    const result = await connection.stream(sql);
    for await (const rows of result.yieldRowsJs()) yield* rows;
  } finally {
    connection.closeSync();
    database.closeSync();
  }
}

async function* jsonRows({ path, name }: Source, format: "jsonl" | "json"): AsyncIterable<Fields> {
  const kind =
    format === "jsonl"
      ? "newline_delimited"
      : (await firstByte(path)) === "["
        ? "array"
        : "unstructured";
  const options = `format='${kind}', maximum_object_size=${MAX_ROW_BYTES}`;
  let row = 0;
  for await (const [json] of query(
    `SELECT json FROM read_json_objects(${pathLiteral(path)}, ${options})`,
  )) {
    row++;
    const value = parsed(json as string, `${name} row ${row}`);
    if (isObject(value)) yield value;
    else if (typeof value === "string") yield { text: value };
    else {
      throw inputError(
        `${name} row ${row}: expected an object such as {"id": …, "text": …}, got ${kindOf(value)}`,
        {
          wayOut: "write one JSON object a row",
        },
      );
    }
  }
}

/** DuckDB lets pass what is no JSON to others, such as NaN. */
function parsed(json: string, where: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    throw inputError(`${where}: expected a JSON object, got ${jsonFault(error)}`, {
      wayOut: "correct the file there, or write it again",
      cause: error,
    });
  }
}

/** The first character of a file that is no white space. */
export async function firstByte(path: string): Promise<string> {
  for await (const chunk of createReadStream(path)) {
    const text = (chunk as Buffer)
      .toString("latin1")
      .replace(/^\xef\xbb\xbf/, "")
      .trimStart();
    if (text !== "") return text.charAt(0);
  }
  return "";
}

const CSV = (delimiter: string): string =>
  `delim=${quoted(delimiter)}, quote='"', escape='"', skip=0, comment='', nullstr='', ` +
  `max_line_size=${MAX_ROW_BYTES}, auto_detect=false`;

async function* csvRows(
  { path, textField, name }: Source,
  delimiter: string,
): AsyncIterable<Fields> {
  const columns = await csvColumns(path, delimiter);
  const twice = columns.find((column, i) => columns.indexOf(column) !== i);
  if (twice !== undefined) {
    throw inputError(
      `${name} row 0: expected each column once in the header, got "${twice}" twice`,
      {
        wayOut: "rename one of the columns",
      },
    );
  }
  checkColumns(columns, { path, textField, name });
  // an empty name is legal CSV (row numbers of a data frame), but no column name for DuckDB
  const safe = columns.map((column, i) => (column === "" ? `column ${i + 1}` : column));
  const types = safe.map((column) => `${quoted(column)}: 'VARCHAR'`).join(", ");
  const sql = `SELECT * FROM read_csv(${pathLiteral(path)}, header=true, columns={${types}}, ${CSV(delimiter)})`;
  for await (const row of query(sql)) yield pickFields(safe, row);
}

/** The names in the first record of a CSV file. */
async function csvColumns(path: string, delimiter: string): Promise<string[]> {
  let header = "";
  for await (const chunk of createReadStream(path, { encoding: "utf8", highWaterMark: 1 << 16 })) {
    header += chunk as string;
    const end = recordEnd(header);
    if (end >= 0) header = header.slice(0, end);
    if (end >= 0 || header.length > MAX_ROW_BYTES) break;
  }
  const folder = await mkdtemp(join(tmpdir(), "unrecite-"));
  try {
    const file = join(folder, "header.csv");
    await writeFile(file, `${header.replace(/^\uFEFF/, "").trimEnd()}\n`);
    const options = `delim=${quoted(delimiter)}, quote='"', escape='"', header=false, all_varchar=true, comment=''`;
    for await (const row of query(
      `SELECT * FROM read_csv(${pathLiteral(file)}, ${options}) LIMIT 1`,
    )) {
      return row.map((value) => (typeof value === "string" ? value : ""));
    }
    return [];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function recordEnd(text: string): number {
  let inside = false;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '"') inside = !inside;
    else if (!inside && (text[i] === "\n" || text[i] === "\r")) return i;
  }
  return -1;
}

async function* parquetRows({ path, name, textField }: Source): AsyncIterable<Fields> {
  const columns: string[] = [];
  for await (const row of query(`DESCRIBE SELECT * FROM read_parquet(${pathLiteral(path)})`)) {
    columns.push(String(row[0]));
  }
  checkColumns(columns, { path, name, textField });
  const wanted = columns.filter((column) => column === textField || KNOWN_FIELDS.includes(column));
  const list = wanted.map((column) => `"${column.replaceAll('"', '""')}"`).join(", ");
  for await (const row of query(`SELECT ${list} FROM read_parquet(${pathLiteral(path)})`)) {
    yield pickFields(wanted, row);
  }
}

function checkColumns(columns: readonly string[], { name, textField }: Source): void {
  const pair = columns.includes("prefix") && columns.includes("suffix");
  if (!columns.includes(textField) && !pair) {
    throw unknownField(textField, columns, { file: name, row: 1 });
  }
}

function pickFields(columns: readonly string[], row: readonly unknown[]): Fields {
  // a null is an absent value, except for the text, whose check says "empty"
  return Object.fromEntries(columns.map((column, i) => [column, row[i] ?? undefined]));
}

async function rowError(
  error: unknown,
  format: RowFormat,
  { path, name }: Source,
): Promise<unknown> {
  const message = messageOf(error);
  // DuckDB's errors begin with their kind
  if (!/^[A-Z][A-Za-z ]* Error: /.test(message)) return error;
  const what = format.toUpperCase();
  const wayOut = "correct the file there, or write it again";
  const broken = format === "jsonl" ? await firstBrokenLine(path) : undefined;
  if (broken !== undefined) {
    return inputError(
      `${name} row ${broken.line}: expected one JSON object, got: ${broken.fault}`,
      {
        wayOut,
        cause: error,
      },
    );
  }
  const line = /Error on Line: (\d+)/.exec(message)?.[1];
  const counts = /Expected Number of Columns: (\d+) Found: (\d+)/.exec(message);
  const first = (message.split("\n")[0] ?? message)
    .replace(/^[A-Z][A-Za-z ]* Error: /, "")
    .replaceAll(resolve(path), name)
    .replaceAll(path, name);
  if (line !== undefined) {
    const [expected, got] =
      counts === null
        ? [`a ${what} record`, csvFault(message)]
        : [`${counts[1]} columns`, String(counts[2])];
    return inputError(`${name} line ${line}: expected ${expected}, got ${got}`, {
      wayOut,
      cause: error,
    });
  }
  return inputError(`${name}: expected ${what}, got: ${first}`, { wayOut, cause: error });
}

// the message quotes the line, which must not reach a log; what is wrong comes after it
const csvFault = (message: string): string =>
  /unterminated quote/i.test(message) ? "a quote that is not closed" : "a malformed one";

async function firstBrokenLine(path: string): Promise<{ line: number; fault: string } | undefined> {
  let line = 0;
  const lines = createInterface({ input: createReadStream(path), crlfDelay: Infinity });
  for await (const text of lines) {
    line++;
    const json = text.replace(/^\uFEFF/, "").trim();
    if (json === "") continue;
    try {
      const value = JSON.stringify(JSON.parse(json));
      // JSON.stringify writes half a surrogate pair, and nothing else, as an escape \ud…
      if (/(?<!\\)(?:\\\\)*\\ud[89a-f]/.test(value)) {
        return { line, fault: "half of a surrogate pair (\\ud8…)" };
      }
    } catch (error) {
      return { line, fault: jsonFault(error) };
    }
  }
  return undefined;
}
