/**
 * @file One run of a comparison: an `erase` of its own process and run directory, so that it can fail, be interrupted, resumed
 * and found again without the others noticing.
 */
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ErrorCode } from "../base/errors.ts";
import { flagName } from "../base/flags.ts";
import { makeFolder } from "../io/index.ts";
import type { EraseResult } from "../eval/index.ts";
import { holderOf } from "../run/directory.ts";
import { parseEvents } from "../run/events.ts";
import { readManifest } from "../run/read.ts";
import type { Manifest } from "../run/types.ts";

/** `folder`: the run directory that it came from. */
export type CellOutcome = { readonly folder: string; readonly reused: boolean } & (
  | {
      readonly status: "done";
      readonly result: EraseResult;
      readonly events: readonly Event[];
      /** What was in force, by its keys. */
      readonly settings: Readonly<Record<string, unknown>>;
    }
  | { readonly status: "failed"; readonly error: string }
);
type Event = Readonly<Record<string, unknown>>;

/** Flags of `erase`, by their keys. */
export type ErasePlan = Readonly<Record<string, string | number>>;

export type Cell = {
  readonly folder: string;
  readonly options: ErasePlan;
};

/**
 * Runs `erase` into the cell's folder, or takes what a finished run left there. A failed run stays where it is, and another attempt
 * gets the next folder: nothing is deleted that another comparison may be starting in. Rejects when interrupted.
 */
export async function runCell(
  { folder: first, options }: Cell,
  { signal, say }: { signal?: AbortSignal | undefined; say?: ((line: string) => void) | undefined },
): Promise<CellOutcome> {
  for (let [folder, attempt] = [first, 1]; ;) {
    if (await waited(folder, signal)) continue; // another comparison was at work here: see what it left
    const held = manifestIn(folder);
    if (held?.status === "done") return doneIn(folder, held, true);
    if (held?.status === "failed") {
      folder = `${first}.${++attempt}`;
      continue;
    }
    makeFolder(folder);
    const resumed = held !== undefined;
    const args = resumed ? ["--resume", folder] : [...flagsOf(options), "--run", folder];
    const { code, errors, told } = await child(["erase", ...args, "--quiet"], signal);
    signal?.throwIfAborted();
    if (told === RUN_HELD) continue; // another comparison came first
    const manifest = manifestIn(folder);
    if (manifest?.status === "done") return doneIn(folder, manifest, false);
    const error = errors.trim().split("\n")[0] ?? `exit code ${code}`;
    say?.(`failed: ${error}`);
    return { status: "failed", folder, reused: false, error };
  }
}

const RUN_HELD: ErrorCode = "RUN_HELD";

const manifestIn = (folder: string): Manifest | undefined =>
  existsSync(join(folder, "run.json"))
    ? readManifest(folder, { wayOut: "remove this folder: the run is made again" })
    : undefined;

function doneIn(folder: string, manifest: Manifest, reused: boolean): CellOutcome {
  const path = join(folder, "events.jsonl");
  const { events } = parseEvents(path, readFileSync(path, "utf8"));
  const inForce = Object.entries(manifest.settings).map(([key, { value }]) => [key, value]);
  const settings = Object.fromEntries(inForce) as Record<string, unknown>;
  const result = manifest.results as EraseResult;
  return { status: "done", folder, reused, result, events, settings };
}

/** Waits while a living process holds the folder; tells whether one did. */
async function waited(folder: string, signal: AbortSignal | undefined): Promise<boolean> {
  let held = false;
  while (holderOf(join(folder, "lock")) !== undefined) {
    held = true;
    await new Promise((resolve) => setTimeout(resolve, 500));
    signal?.throwIfAborted();
  }
  return held;
}

const flagsOf = (options: ErasePlan): string[] =>
  Object.entries(options).flatMap(([key, value]) => [flagName(key), String(value)]);

const main = fileURLToPath(new URL(`../cli/main${extname(import.meta.url)}`, import.meta.url));

/** The command line, in a group of its own: Ctrl+C reaches us alone, and we pass it on once. */
function child(
  args: readonly string[],
  signal: AbortSignal | undefined,
): Promise<{ code: number | null; errors: string; told: unknown }> {
  return new Promise((resolve, reject) => {
    const process_ = spawn(process.execPath, [...process.execArgv, main, ...args], {
      stdio: ["ignore", "ignore", "pipe", "ipc"], // errors that programs act on come with a code
      detached: true,
    });
    const stop = () => process_.kill("SIGINT");
    signal?.addEventListener("abort", stop);
    let errors = "";
    let told: unknown;
    process_.on("message", (message: { code?: unknown }) => (told = message.code));
    process_.stderr?.on("data", (data: Buffer) => (errors += data.toString()));
    process_.on("error", reject);
    process_.on("close", (code) => {
      signal?.removeEventListener("abort", stop);
      resolve({ code, errors, told });
    });
  });
}
