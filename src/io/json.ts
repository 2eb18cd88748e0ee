/** @file Reads JSON files into checked objects; says where a file is broken and which key comes twice. */
import { readFile } from "node:fs/promises";
import { inputError, messageOf } from "../base/errors.ts";
import { readError } from "./disk-error.ts";

export type JsonObject = Record<string, unknown>;

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The object in JSON text; `where` names it in errors. */
export function parseObject(
  text: string,
  where: string,
  { wayOut }: { wayOut?: string } = {},
): JsonObject {
  const extra = wayOut === undefined ? {} : { wayOut };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw inputError(`${where}: expected JSON, got: ${messageOf(cause)}`, { cause, ...extra });
  }
  if (!isObject(value)) {
    throw inputError(`${where}: expected a JSON object, got ${kindOf(value)}`, extra);
  }
  return value;
}

/** The object in a JSON file. */
export async function readObject(
  path: string,
  what = "a JSON file",
  { wayOut }: { wayOut?: string } = {},
): Promise<JsonObject> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw readError(error, path, what, wayOut);
  }
  return parseObject(text.replace(/^\uFEFF/, ""), path, wayOut === undefined ? {} : { wayOut });
}

/** What V8 says of broken JSON, by how its message begins: the rest may quote the text, which must not reach a log. */
const JSON_FAULTS: readonly [RegExp, string][] = [
  [/^Unexpected end/, "one that ends too early"],
  [/^Unterminated string/, "a string that is not closed"],
  [/^Bad control character/, "a raw control character in a string"],
  [/^Bad .*escape/, "a bad escape in a string"],
  [/^Unexpected non-whitespace/, "more behind its end"],
];

/** What is wrong with the JSON that made `JSON.parse` throw, with its place where that is known; nothing of the text. */
export function jsonFault(error: unknown): string {
  const message = messageOf(error);
  const what = JSON_FAULTS.find(([begins]) => begins.test(message))?.[1] ?? "malformed JSON";
  const at = /^[^"]* JSON at position (\d+)/.exec(message)?.[1];
  return at === undefined ? what : `${what} (at its character ${Number(at) + 1})`;
}

/** What a JSON value is, in words for errors. */
export function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object") return "an object";
  if (typeof value === "string") return value.length > 40 ? "a string" : JSON.stringify(value);
  if (typeof value === "number" || typeof value === "boolean") {
    return `the ${typeof value} ${value}`;
  }
  return `a ${typeof value}`;
}

/** The first key that an object in valid JSON text holds twice (JSON.parse keeps the last, silently). */
export function duplicateKey(json: string): string | undefined {
  const open: Set<string>[] = [];
  const mark = /["{}:]/g;
  let last = { begin: 0, end: 0 };
  for (let found = mark.exec(json); found !== null; found = mark.exec(json)) {
    if (found[0] === "{") open.push(new Set());
    else if (found[0] === "}") open.pop();
    else if (found[0] === '"') {
      last = { begin: found.index, end: stringEnd(json, found.index) };
      mark.lastIndex = last.end;
    } else {
      // outside of strings a colon follows nothing but a key
      const key = JSON.parse(json.slice(last.begin, last.end)) as string;
      if (open.at(-1)?.has(key)) return key;
      open.at(-1)?.add(key);
    }
  }
  return undefined;
}

/** Behind the string that begins at `at`; by hand, as a pattern takes stack for each of its characters. */
function stringEnd(json: string, at: number): number {
  let end = at + 1;
  while (end < json.length && json[end] !== '"') end += json[end] === "\\" ? 2 : 1;
  return end + 1;
}
