/**
 * @file Reads what a run left behind, for the report. A last line torn by a crash is dropped and told; a log whose chain of
 * hashes does not hold is refused.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { chainHead, parseEvents } from "../run/events.ts";
import { readManifest, readTextLines } from "../run/read.ts";
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
    texts: readTextLines(join(folder, "texts.jsonl")).lines,
    events,
    log: { torn, sealed: head === manifest.eventsHead },
  };
}

const contentOf = (path: string): string => (existsSync(path) ? readFileSync(path, "utf8") : "");
