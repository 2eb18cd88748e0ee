/**
 * @file Programs and folders that must not outlive this process: each program runs in its own group, each folder is
 * registered, and `cleanUp` ends the ones and removes the others. Synchronous, so that it can run at exit.
 */
import { spawn } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";

/** @type {Set<number>} */
const groups = new Set();
/** @type {Set<string>} */
const folders = new Set();

/**
 * Runs a program; resolves to its exit code and what it printed. With `show` the output goes to stderr instead.
 * @param {string} program @param {string[]} args
 * @param {{ show?: boolean, env?: NodeJS.ProcessEnv, cwd?: string }} [options]
 * @returns {Promise<{ code: number, output: string }>}
 */
export function run(program, args, { show = false, env = process.env, cwd = process.cwd() } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: show ? ["ignore", 2, 2] : ["ignore", "pipe", "pipe"],
      detached: true, // its own group: a compiler's children end with it
      env,
      cwd,
    });
    const { pid } = child;
    if (pid !== undefined) groups.add(pid);
    let output = "";
    const collect = (/** @type {Buffer} */ chunk) => (output += chunk.toString());
    child.stdout?.on("data", collect);
    child.stderr?.on("data", collect);
    child.on("error", reject);
    child.on("close", (code) => {
      if (pid !== undefined) groups.delete(pid);
      resolve({ code: code ?? 1, output });
    });
  });
}

/** A folder to work in, empty, gone after `work` however that ends. @template T
 * @param {string} folder @param {() => Promise<T>} work @returns {Promise<T>} */
export async function inTemporary(folder, work) {
  folders.add(folder);
  try {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    return await work();
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    folders.delete(folder);
  }
}

/** Ends what still runs and removes what is half made; called when a signal ends the process. */
export function cleanUp() {
  for (const pid of groups) {
    try {
      process.kill(-pid, "SIGKILL");
    } catch {
      // ended by itself in the meantime
    }
  }
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}
