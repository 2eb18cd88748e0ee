/** @file Runs the named rows (without names all but the long ones), prints a table or one JSON document, exits 1 if a bar fails. */
import { existsSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { join } from "node:path";
import { unknownName, UnreciteError } from "../src/base/errors.ts";
import { openModel, writeCheckpoint } from "../src/io/index.ts";
import { cacheDirectory, demoModelPath } from "../src/setup/paths.mjs";
import { agree } from "./agree.ts";
import { energy } from "./energy.ts";
import { eraseReal } from "./erase-real.ts";
import { opOverhead } from "./op-overhead.ts";
import { parity } from "./parity.ts";
import { quickstart } from "./quickstart.ts";
import { ownTrainStep, scoreRow, trainStepRow } from "./speed.ts";
import { startup } from "./startup.ts";
import { ownAudit, streaming } from "./streaming.ts";
import { tasks } from "./tasks.ts";
import type { Row } from "./types.ts";

/** Rows that take long and run only when they are named. */
const LONG = ["quickstart", "energy", "agree", "erase-real", "streaming", "tasks"];
const ROWS: Record<string, (directory: string) => Row[] | Promise<Row[]>> = {
  "op-overhead": opOverhead,
  startup,
  parity,
  "train-step": trainStepRow,
  score: scoreRow,
  quickstart,
  energy: () => energy(),
  agree,
  "erase-real": eraseReal,
  streaming,
  tasks,
};

/** What `alone.ts` runs in a process of its own. */
const ALONE: Record<string, (...args: string[]) => Promise<unknown>> = {
  "train-step": ownTrainStep,
  audit: ownAudit,
};

/** The demo model as a Hugging Face directory, for both sides. */
async function demoDirectory(): Promise<string> {
  const directory = join(cacheDirectory(), "models", "smollm2-135m-instruct-float32");
  if (existsSync(directory)) return directory;
  const source = await openModel(demoModelPath());
  await writeCheckpoint(directory, source);
  source.close();
  return directory;
}

async function main(args: readonly string[]): Promise<void> {
  if (args[0] === "--alone") {
    const [, name, ...rest] = args;
    console.log(JSON.stringify(await ALONE[name!]!(...rest)));
    return;
  }
  const names = args.filter((a) => a !== "--json");
  for (const name of names) {
    if (!Object.hasOwn(ROWS, name)) throw unknownName("row", name, Object.keys(ROWS));
  }
  const directory = await demoDirectory();
  const rows: Row[] = [];
  for (const name of names.length > 0
    ? names
    : Object.keys(ROWS).filter((n) => !LONG.includes(n))) {
    rows.push(...(await ROWS[name]!(directory)));
  }
  print(rows, args.includes("--json"));
  process.exitCode = rows.every((r) => r.pass) ? 0 : 1;
}

function print(rows: readonly Row[], json: boolean): void {
  const machine = `${cpus()[0]?.model ?? "unknown"}, ${cpus().length} cores, ${(totalmem() / 2 ** 30).toFixed(0)} GiB`;
  if (json) {
    console.log(JSON.stringify({ schema: "unrecite/bench/v1", machine, rows }, null, 2));
    return;
  }
  console.log(machine);
  for (const r of rows) {
    console.log(
      `${r.name.padEnd(20)} ${r.value.toPrecision(4).padStart(10)} ${r.unit.padEnd(24)} ${r.peer === null ? "" : `${r.peer.name} ${r.peer.value.toPrecision(4)}`} ${r.ratio === null ? "" : `ratio ${r.ratio.toFixed(2)}`}  ${r.bar}: ${r.pass ? "pass" : "FAIL"}`,
    );
  }
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UnreciteError)) throw error;
  console.error(error.message);
  process.exitCode = error.exitCode;
}
