/** @file Reads back what a run left behind: the manifest, and the lines of its texts. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { inputError } from "../base/errors.ts";
import { isObject } from "../io/json.ts";
import type { Manifest, TextLine } from "./types.ts";

/** The manifest of the run in `folder`; anything else there is an input error. */
export function readManifest(
  folder: string,
  { wayOut = "name the directory that a command printed as run" }: { wayOut?: string } = {},
): Manifest {
  const path = join(folder, "run.json");
  if (!existsSync(path)) {
    throw inputError(`${folder}: expected a run directory with run.json, got none`, { wayOut });
  }
  const value = parsed(readFileSync(path, "utf8"));
  if (value === undefined) {
    throw inputError(`${path}: expected JSON, got something else`, { wayOut });
  }
  if (!isObject(value) || value["schema"] !== "unrecite/run/v1" || !isObject(value["settings"])) {
    throw inputError(`${path}: expected schema unrecite/run/v1, got another`, { wayOut });
  }
  return value as unknown as Manifest;
}

/** Every whole line of a texts.jsonl, none where there is no file; what a crash left of the last one is no line. */
export function readTextLines(
  path: string,
  { wayOut = "take the file from where it was written" }: { wayOut?: string } = {},
): { lines: TextLine[]; torn: boolean } {
  const parts = existsSync(path) ? readFileSync(path, "utf8").split("\n") : [""];
  const torn = parts.pop() !== "";
  const lines = parts.flatMap((part, i) => {
    if (part === "") return [];
    const line = parsed(part);
    if (isObject(line) && typeof line["id"] === "string") return [line as unknown as TextLine];
    throw inputError(`${path}: line ${i + 1}: expected the JSON of a text, got something else`, {
      wayOut,
    });
  });
  return { lines, torn };
}

/** Undefined for what is no JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
