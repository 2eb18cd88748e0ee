/**
 * @file Reads what a run left behind, for the report. A last line torn by a crash is dropped and told; a log whose chain of
 * hashes does not hold is refused.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { inputError } from "../base/errors.ts";
import { chainHead, parseEvents } from "../run/events.ts";
import type { Manifest, TextLine } from "../run/types.ts";

export type Event = Readonly<Record<string, unknown>>;

export type RunData = {
  readonly manifest: Manifest;
  readonly texts: readonly TextLine[];
  readonly events: readonly Event[];
  /** Whether a torn last line was dropped, and whether the log ends where the manifest says. */
  readonly log?: { readonly torn: boolean; readonly sealed: boolean };
};

/** run.json, texts.jsonl and events.jsonl of `folder`; the last two may not be there yet. */
export function readRun(folder: string): RunData {
  const manifest = readManifest(folder);
  const path = join(folder, "events.jsonl");
  const { lines, events, torn } = parseEvents(path, contentOf(path));
  const head = lines.length === 0 ? null : chainHead(lines.at(-1)!);
  return {
    manifest,
    texts: readLines(join(folder, "texts.jsonl")),
    events,
    log: { torn, sealed: head === manifest.eventsHead },
  };
}

function readManifest(folder: string): Manifest {
  const path = join(folder, "run.json");
  const wayOut = "name the directory that a command printed as run";
  if (!existsSync(path)) {
    throw inputError(`${folder}: expected a run directory with run.json, got none`, { wayOut });
  }
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    throw inputError(`${path}: expected JSON, got something else`, { wayOut, cause });
  }
  if ((value as Manifest | null)?.schema !== "unrecite/run/v1") {
    throw inputError(`${path}: expected schema unrecite/run/v1, got another`, { wayOut });
  }
  return value as Manifest;
}

const contentOf = (path: string): string => (existsSync(path) ? readFileSync(path, "utf8") : "");

/** Every whole line; what a crash left of the last one is no line. */
function readLines(path: string): TextLine[] {
  const lines = contentOf(path).split("\n");
  lines.pop();
  return lines
    .filter((line) => line !== "")
    .map((line, i) => {
      try {
        return JSON.parse(line) as TextLine;
      } catch (cause) {
        throw inputError(`${path}: line ${i + 1}: expected JSON, got something else`, {
          wayOut: "take the file from where it was written",
          cause,
        });
      }
    });
}
