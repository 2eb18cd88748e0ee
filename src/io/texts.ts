/**
 * @file Reads texts from JSONL, JSON, CSV, TSV, Parquet, .npy, folders or globs of .txt and .md, and stdin.
 * Streams: the memory it takes depends on the longest text, not on how many there are (save a hash for each id).
 */
import { createWriteStream } from "node:fs";
import { mkdtemp, open, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Readable } from "node:stream";
import { inputError } from "../base/errors.ts";
import { isMissing, readError } from "./disk-error.ts";
import { globTexts, hasPattern, readFolder, readTextFile } from "./text-files.ts";
import { benchmarkStem, readBenchmark, readTokenFile } from "./text-tokens.ts";
import { toRecord, uniqueIds, type TextRecord, type TextRecords } from "./text-record.ts";
import { firstByte, readRows, type RowFormat } from "./text-rows.ts";

export type { Span, TextRecord } from "./text-record.ts";

const FORMATS: Readonly<Record<string, RowFormat>> = {
  ".jsonl": "jsonl",
  ".ndjson": "jsonl",
  ".json": "json",
  ".csv": "csv",
  ".tsv": "tsv",
  ".parquet": "parquet",
};
const KNOWN = [...Object.keys(FORMATS), ".npy", ".txt", ".md", "a folder of .txt or .md"].join(
  ", ",
);

export type ReadTextsOptions = { textField?: string; stdin?: Readable };

/** The texts that `spec` (a path, a glob, or "-" for stdin) names, in order, each id once; at least one. */
export async function* readTexts(
  spec: string,
  { textField = "text", stdin = process.stdin }: ReadTextsOptions = {},
): TextRecords {
  const check = uniqueIds();
  let count = 0;
  for await (const record of recordsAt(spec, { textField, stdin })) {
    check(record.id, { file: nameOf(spec), row: record.row });
    count++;
    yield record;
  }
  if (count === 0) {
    throw inputError(`${nameOf(spec)}: expected texts, got none`, {
      wayOut: "check the path and what wrote the file",
    });
  }
}

/** All texts of `spec` at once, for sets that are small enough to hold. */
export async function readAllTexts(
  spec: string,
  options: ReadTextsOptions = {},
): Promise<TextRecord[]> {
  const records: TextRecord[] = [];
  for await (const record of readTexts(spec, options)) records.push(record);
  return records;
}

const nameOf = (spec: string): string => (spec === "-" ? "stdin" : spec);

async function* recordsAt(
  spec: string,
  { textField, stdin }: Required<ReadTextsOptions>,
): TextRecords {
  if (spec === "-") return yield* readStdin(stdin, textField);
  const kind = await kindOfPath(spec);
  if (kind === "folder") {
    const stem = await benchmarkStem(spec);
    return yield* stem === undefined ? readFolder(spec) : readBenchmark(stem);
  }
  if (kind === "nothing") {
    if ((await kindOfPath(`${spec}_prefix.npy`)) === "file") return yield* readBenchmark(spec);
    if (hasPattern(spec)) return yield* globTexts(spec);
    throw inputError(`${spec}: expected a file or folder of texts, got nothing there`, {
      wayOut: `check the path; these are read: ${KNOWN}, a glob, - for stdin`,
    });
  }
  const extension = extname(spec).toLowerCase();
  if (extension === ".npy") return yield* readTokenFile(spec);
  if (extension === ".txt" || extension === ".md") return yield* readTextFile(spec);
  const format = FORMATS[extension];
  if (format === undefined) {
    throw inputError(`${spec}: expected one of ${KNOWN}, got ${extension || "no extension"}`, {
      wayOut: "convert it, or give it the extension of what it holds",
    });
  }
  yield* recordsOf(format, { path: spec, name: spec, textField });
}

async function kindOfPath(path: string): Promise<"file" | "folder" | "nothing"> {
  try {
    return (await stat(path)).isDirectory() ? "folder" : "file";
  } catch (error) {
    if (isMissing(error)) return "nothing";
    throw readError(error, path, "a file or folder of texts");
  }
}

async function* recordsOf(
  format: RowFormat,
  source: { path: string; name: string; textField: string },
): TextRecords {
  let row = 0;
  for await (const fields of readRows(format, source)) {
    row++;
    yield toRecord(fields, { file: source.name, row, textField: source.textField });
  }
}

/** Copies stdin to a temporary file first: the column readers need one, and so does looking at its first byte. */
async function* readStdin(stdin: Readable, textField: string): TextRecords {
  const folder = await mkdtemp(join(tmpdir(), "unrecite-"));
  try {
    const path = join(folder, "stdin");
    await pipeline(stdin, createWriteStream(path, { mode: 0o600 }));
    if (await beginsWith(path, "\x93NUMPY")) return yield* readTokenFile(path, { name: "stdin" });
    if ((await firstByte(path)) === "") {
      throw inputError("stdin: expected texts, got none", {
        wayOut: "check the command whose output it is",
      });
    }
    yield* recordsOf(await sniff(path), { path, name: "stdin", textField });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function sniff(path: string): Promise<RowFormat> {
  if (await beginsWith(path, "PAR1")) return "parquet";
  const first = await firstByte(path);
  return first === "{" ? "jsonl" : first === "[" ? "json" : "csv";
}

async function beginsWith(path: string, magic: string): Promise<boolean> {
  const file = await open(path, "r");
  try {
    const { buffer } = await file.read(Buffer.alloc(magic.length), 0, magic.length, 0);
    return buffer.toString("latin1") === magic;
  } finally {
    await file.close();
  }
}
