/** @file Runs a peer's script in a virtual environment of the cache directory, made on first use. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheDirectory } from "../src/setup/paths.mjs";

const PACKAGES = [
  "torch==2.15.0",
  "transformers==5.23.0",
  "peft",
  "safetensors",
  "numpy",
  "lm_eval==0.4.13",
];

/** Tasks with a script of their own. */
const SCRIPTS: Readonly<Record<string, string>> = {
  agree: "bench/agree.py",
  tasks: "bench/tasks.py",
};

function python(): string {
  const named = process.env["UNRECITE_PEER_PYTHON"];
  if (named !== undefined && named !== "") return named;
  const folder = join(cacheDirectory(), "peer");
  const program = join(folder, "bin", "python");
  const ready = join(folder, ".ready"); // names what is installed
  const wanted = PACKAGES.join(" ");
  if (existsSync(ready) && readFileSync(ready, "utf8") === wanted) return program;
  console.error(`peer: installing ${PACKAGES.join(", ")} into ${folder}`);
  for (const [command, ...args] of [
    ["python3", "-m", "venv", folder],
    [program, "-m", "pip", "install", "-q", ...PACKAGES],
  ]) {
    if (spawnSync(command!, args, { stdio: "inherit" }).status !== 0) {
      throw new Error(`peer: expected ${command} to succeed, got a failure (above)`);
    }
  }
  writeFileSync(ready, wanted);
  return program;
}

/** The JSON that the peer prints for a task. */
export function peer<T>(directory: string, task: string, ...args: string[]): T {
  const script = SCRIPTS[task];
  const command = script === undefined ? ["bench/peer.py", directory, task] : [script, directory];
  const { status, stdout, stderr } = spawnSync(python(), [...command, ...args], {
    encoding: "utf8",
    maxBuffer: 1 << 30,
  });
  if (status !== 0) throw new Error(`peer ${task}: ${stderr}`);
  return JSON.parse(stdout.trim().split("\n").at(-1)!) as T;
}
