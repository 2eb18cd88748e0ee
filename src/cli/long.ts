/**
 * @file What long commands share: recipe and resume, the run directory with its manifest, progress, Ctrl+C, the report. The
 * command itself is a library call.
 */
import { join } from "node:path";
import { messageOf, UnreciteError } from "../base/errors.ts";
import { flagName, type Flags, type Options, type Values } from "../base/flags.ts";
import { addFacts, earlierSettings, manifestOf, settingsFrom } from "./manifest.ts";
import { openFreeRun, openRun, type Manifest, type RunDirectory } from "../run/index.ts";
import type { Facts } from "../verbs/facts.ts";
import { openSession, peakRss, type SessionOptions } from "../verbs/session.ts";
import { interruptible } from "./interruptible.ts";
import type { Invocation } from "./invocation.ts";
import { progress, type Progress } from "./progress.ts";
import { resolveCall } from "./recipe.ts";

export type Context<T extends Flags> = {
  readonly values: Values<T>;
  readonly options: Options<T>;
  readonly run: RunDirectory;
  readonly signal: AbortSignal;
  readonly onEvent: (event: { type: string }) => void;
  readonly onFacts: (facts: Facts) => void;
};

type Outcome = {
  result: { schema: string };
  exitCode: number;
  summary: readonly string[];
};

type Command<T extends Flags> = {
  readonly name: Manifest["command"];
  readonly table: T;
  readonly call: Invocation;
  readonly execute: (context: Context<T>) => Promise<Outcome>;
};

const stamp = (): string =>
  new Date()
    .toISOString()
    .replace(/\.\d+Z$/, "")
    .replaceAll(":", "-");

export async function longCommand<T extends Flags>(command: Command<T>): Promise<number> {
  const { name, table, call } = command;
  const resume = typeof call.given["resume"] === "string" ? call.given["resume"] : undefined;
  const earlier = resume === undefined ? {} : earlierSettings(resume, name);
  const before = Object.fromEntries(Object.entries(earlier).map(([key, s]) => [key, s.value]));
  const given = { ...before, ...call.given };
  const { values, origins } = await resolveCall(table, { given, recipe: call.recipe });
  const started = performance.now();
  // before there is a run: what this machine cannot do leaves no folder
  const session = openSession({ seed: 0, ...values } as unknown as SessionOptions);
  const run = openOwn(name, resume ?? given["run"], resume !== undefined);
  const bar = progress({ quiet: call.quiet });
  const interrupted = interruptible();
  const manifest = manifestOf(
    name,
    settingsFrom(values, origins, { given: call.given, earlier }),
    session,
  );
  const save: Save = (status, more = {}) => {
    const seconds = (performance.now() - started) / 1000;
    return run.saveManifest(
      Object.assign(manifest, more, { status, seconds, peakRssBytes: peakRss() }),
    );
  };
  let begun = resume !== undefined; // what is refused before is no run: the same --run is free for the next try
  try {
    await save("running");
    run.event({ type: resume === undefined ? "run" : "resume", command: name });
    const onEvent = (event: { type: string }) => {
      bar.show(event);
      begun = true;
      if (event.type !== "phase") run.event(event);
    };
    const { signal } = interrupted;
    const options = withoutUndefined(values);
    const onFacts = (facts: Facts) => addFacts(manifest, facts, run.hashText);
    const outcome = await command.execute({ values, options, run, signal, onEvent, onFacts });
    bar.stop();
    await conclude(outcome, { run, save, bar, json: call.json });
    return outcome.exitCode;
  } catch (error) {
    bar.stop();
    if (interrupted.signal.aborted) {
      run.event({ type: "interrupted" });
      await save("interrupted");
      process.stderr.write(`interrupted\n  → go on with: unrecite ${name} --resume ${run.path}\n`);
      return interrupted.code();
    }
    if (!begun && error instanceof UnreciteError && error.exitCode === 2) {
      run.discard();
      throw error;
    }
    run.event({ type: "error", message: messageOf(error) });
    await save("failed");
    throw error;
  } finally {
    interrupted.dispose();
    run.close();
  }
}

/** The run directory that was named, or a free one of this second. */
function openOwn(name: string, own: unknown, resume: boolean): RunDirectory {
  return typeof own === "string"
    ? openRun(own, { resume })
    : openFreeRun(join("runs", `${stamp()}-${name}`));
}

type Save = (status: Manifest["status"], more?: Partial<Manifest>) => Promise<void>;

/** Keeps the result with its report, and prints both. */
async function conclude(
  { result, exitCode, summary }: Outcome,
  { run, save, bar, json }: { run: RunDirectory; save: Save; bar: Progress; json: boolean },
): Promise<void> {
  run.event({ type: "result", schema: result.schema, exitCode });
  await save("done", { results: result });
  await writeReport(run, bar);
  if (json) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  for (const line of [...summary, `run        ${run.path}`]) {
    (json ? process.stderr : process.stdout).write(`${line}\n`);
  }
}

const withoutUndefined = <T extends Flags>(values: Values<T>): Options<T> =>
  Object.fromEntries(Object.entries(values).filter(([, v]) => v !== undefined)) as Options<T>;

async function writeReport(run: RunDirectory, bar: Progress): Promise<void> {
  const { renderRun } = await import("../report/index.ts");
  await renderRun(run.path, run.file("report.html"), { includeText: false });
  bar.say(`report     ${run.file("report.html")}`);
}

export const percent = (x: number): string => `${(100 * x).toFixed(1)} %`;

/** For messages that name a flag by its key. */
export { flagName };
