/** @file Runs one of our own measurements in a fresh process, so that its peak memory is its own. */
import { spawnSync } from "node:child_process";

export function runAlone<T>(name: string, ...args: string[]): T {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["--import", "tsx", "bench/main.ts", "--alone", name, ...args],
    { encoding: "utf8", env: { ...process.env, NODE_NO_WARNINGS: "1" } },
  );
  if (status !== 0) throw new Error(`${name}: ${stderr}`);
  return JSON.parse(stdout.trim().split("\n").at(-1)!) as T;
}
