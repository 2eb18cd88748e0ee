/** @file Rows of JSON and JSONL files as objects, for what is no text: no field is asked for. */
import { extname } from "node:path";
import { stat } from "node:fs/promises";
import { inputError } from "../base/errors.ts";
import { readError } from "./disk-error.ts";
import type { JsonObject } from "./json.ts";
import { readRows } from "./text-rows.ts";

/** All rows of a file of one JSON object a line, or of one array of them; at least one. `what` names the file in errors. */
export async function readJsonRows(path: string, what: string): Promise<JsonObject[]> {
  const extension = extname(path).toLowerCase();
  if (![".jsonl", ".ndjson", ".json"].includes(extension)) {
    throw inputError(`${path}: expected .jsonl or .json, got ${extension || "no extension"}`, {
      wayOut: `write ${what} as one JSON object a line`,
    });
  }
  await stat(path).catch((error: unknown) => {
    throw readError(error, path, what, "check the path");
  });
  const rows: JsonObject[] = [];
  const format = extension === ".json" ? "json" : "jsonl";
  for await (const row of readRows(format, { path, name: path, textField: "text" })) {
    rows.push(row);
  }
  if (rows.length > 0) return rows;
  throw inputError(`${path}: expected ${what}, got none`, {
    wayOut: "check the path and what wrote the file",
  });
}
