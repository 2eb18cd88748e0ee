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

/** Sets up, the demo model too, then runs a program in TypeScript with our own arguments. @param {string} program */
export function runAfterSetUp(program) {
  const root = packageRoot();
  const inherit = /** @type {const} */ ({ stdio: "inherit" });
  const node = process.execPath;
  const setup = spawnSync(node, [join(root, "scripts", "setup.mjs"), "--demo-model"], inherit);
  if (setup.status !== 0) process.exit(setup.status ?? 3);
  const args = ["--import", "tsx", join(root, program), ...process.argv.slice(2)];
  process.exit(spawnSync(node, args, { ...inherit, cwd: root }).status ?? 1);
}
