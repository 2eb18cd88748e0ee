/** @file Runs bench/peer.py in a virtual environment of the cache directory, made on first use. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { cacheDirectory } from "../src/setup/paths.mjs";

const PACKAGES = ["torch==2.15.0", "transformers==5.23.0", "peft", "safetensors", "numpy"];

function python(): string {
  const named = process.env["UNRECITE_PEER_PYTHON"];
  if (named !== undefined && named !== "") return named;
  const folder = join(cacheDirectory(), "peer");
  const program = join(folder, "bin", "python");
  if (existsSync(join(folder, ".ready"))) return program;
  console.error(`peer: installing ${PACKAGES.join(", ")} into ${folder}`);
  for (const [command, ...args] of [
    ["python3", "-m", "venv", folder],
    [program, "-m", "pip", "install", "-q", ...PACKAGES],
    ["touch", join(folder, ".ready")],
  ]) {
    if (spawnSync(command!, args, { stdio: "inherit" }).status !== 0) {
      throw new Error(`peer: expected ${command} to succeed, got a failure (above)`);
    }
  }
  return program;
}

/** The JSON that the peer prints for a task. */
export function peer<T>(directory: string, task: string, ...args: string[]): T {
  const command =
    task === "agree" ? ["bench/agree.py", directory] : ["bench/peer.py", directory, task];
  const { status, stdout, stderr } = spawnSync(python(), [...command, ...args], {
    encoding: "utf8",
    maxBuffer: 1 << 30,
  });
  if (status !== 0) throw new Error(`peer ${task}: ${stderr}`);
  return JSON.parse(stdout.trim().split("\n").at(-1)!) as T;
}
