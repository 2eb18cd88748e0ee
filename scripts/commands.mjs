/** @file Runs public commands as a user would, printed before they run. For the quickstart, benchmarks and studies. */
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import { packageRoot } from "../src/setup/paths.mjs";

/** Runs one command of the compiled program; its --json document comes back. @param {string[]} args @returns {any} */
export function unrecite(...args) {
  console.log(`\n$ unrecite ${args.join(" ")}`);
  const main = join(packageRoot(), "dist", "cli", "main.js");
  const { status, stdout } = spawnSync(process.execPath, [main, ...args, "--json"], {
    stdio: ["ignore", "pipe", "inherit"],
    maxBuffer: 1 << 28,
  });
  if (status !== 0 && status !== 1) process.exit(status ?? 3);
  return JSON.parse(stdout.toString());
}

/** Flags and values as arguments; what is undefined is left out. @param {Record<string, string | number | undefined>} flags */
export const flags = (flags) =>
  Object.entries(flags).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, String(value)],
  );
