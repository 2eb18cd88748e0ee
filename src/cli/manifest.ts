/** @file run.json from the command line: settings with where each came from, also those of a run that goes on. */
import { inputError } from "../base/errors.ts";
import type { Flags, Origin, Values } from "../base/flags.ts";
import { readManifest, type Manifest, type Setting } from "../run/index.ts";
import type { Facts } from "../verbs/facts.ts";
import type { Session } from "../verbs/session.ts";

type Settings = Readonly<Record<string, Setting>>;

/** The settings of an earlier run of `name`, to go on with; what was a default then may be given again now. */
export function earlierSettings(path: string, name: string): Settings {
  const manifest = readManifest(path, {
    wayOut: "name the directory that the interrupted run printed, or start a new run",
  });
  if (manifest.command !== name) {
    throw inputError(
      `--resume ${path}: expected a run of ${name}, got one of ${manifest.command}`,
      { wayOut: `use: unrecite ${manifest.command} --resume ${path}` },
    );
  }
  if (manifest.status === "done") {
    throw inputError(`--resume ${path}: expected an interrupted run, got one that is done`, {
      wayOut: "start a new run",
    });
  }
  // a method brings its own again
  return Object.fromEntries(
    Object.entries(manifest.settings).filter(([, { from }]) => from !== "method"),
  );
}

/** What was not given now comes from where it came from in the earlier run. */
export const settingsFrom = <T extends Flags>(
  values: Values<T>,
  origins: Readonly<Record<string, Origin>>,
  { given, earlier }: { given: Readonly<Record<string, unknown>>; earlier: Settings },
): Record<string, Setting> =>
  Object.fromEntries(
    Object.entries<unknown>(values).map(([key, value]) => {
      const before = given[key] === undefined ? earlier[key]?.from : undefined;
      return [key, { value, from: before ?? origins[key]! }];
    }),
  );

export function manifestOf(
  command: Manifest["command"],
  settings: Record<string, Setting>,
  { versions, device, dtype, dtypeReason, threads }: Session,
): Manifest {
  return {
    schema: "unrecite/run/v1",
    command,
    status: "running",
    settings,
    versions,
    hashes: {},
    device,
    dtype,
    dtypeReason,
    threads,
    seed: Number(settings["seed"]?.value ?? 0),
    started: new Date().toISOString(),
    seconds: 0,
    peakRssBytes: 0,
    results: null,
    eventsHead: null,
  };
}

/** Adds what became known: hashes, those of texts with the run's salt, and what the method settled where nobody had. */
export function addFacts(
  manifest: Manifest,
  { hashes = {}, settings = {} }: Facts,
  hashText: (content: string) => string,
): void {
  for (const [key, hash] of Object.entries(hashes)) {
    manifest.hashes[key as keyof Manifest["hashes"]] = key.startsWith("texts:")
      ? hashText(hash)
      : hash;
  }
  for (const [key, value] of Object.entries(settings)) {
    if (manifest.settings[key]?.value === undefined) {
      manifest.settings[key] = { value, from: "method" };
    }
  }
}
