/** @file Reads what a run left behind, for the report. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { inputError } from "../base/errors.ts";
import { parseEvents, type Manifest, type TextLine } from "../run/index.ts";

export type RunData = { manifest: Manifest; texts: TextLine[]; events: Record<string, unknown>[] };

export function readRun(folder: string): RunData {
  const file = join(folder, "run.json");
  if (!existsSync(file)) {
    throw inputError(`${folder}: expected a run directory with run.json, got none`, {
      wayOut: "name the directory that a command printed as run",
    });
  }
  const lines = (name: string) =>
    existsSync(join(folder, name)) ? readFileSync(join(folder, name), "utf8") : "";
  return {
    manifest: JSON.parse(readFileSync(file, "utf8")) as Manifest,
    texts: lines("texts.jsonl")
      .split("\n")
      .filter((l) => l !== "")
      .map((l) => JSON.parse(l) as TextLine),
    events: parseEvents(join(folder, "events.jsonl"), lines("events.jsonl")).events,
  };
}
