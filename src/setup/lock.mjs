/**
 * @file One set-up at a time in a cache directory: a file that names its holder by pid and start time (a pid alone is used
 * again sooner or later). A second one waits and says so; the lock of a dead one is taken over.
 */
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SetupFault } from "./fault.mjs";

/** Ticks after boot at which a process started; "" when there is no such process. @param {number} pid */
export function startOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  } catch {
    return "";
  }
}

/** @param {string} path */
function read(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // released in the meantime
  }
}

/** @param {string} holder */
function isAlive(holder) {
  const [pid, start] = holder.split(" ");
  return start !== undefined && start !== "" && startOf(Number(pid)) === start;
}

/** Puts a dead holder's lock aside; gives it back if a third process was faster and it is alive. @param {string} path */
function takeOver(path) {
  const aside = `${path}.stale-${process.pid}`;
  try {
    renameSync(path, aside);
    if (isAlive(read(aside))) linkSync(aside, path);
  } catch {
    // someone else took it over: the next attempt sees theirs
  } finally {
    rmSync(aside, { force: true });
  }
}

/** @param {string} folder @param {string} path @param {string} own @param {string} me @returns {boolean} */
function attempt(folder, path, own, me) {
  let linking = false; // only then does EEXIST mean a lock: a file in the folder's place gives it too
  try {
    mkdirSync(folder, { recursive: true });
    writeFileSync(own, me);
    linking = true;
    linkSync(own, path); // appears with its content, or not at all
    return true;
  } catch (error) {
    const { code, message } = /** @type {NodeJS.ErrnoException} */ (error);
    if (linking && code === "EEXIST") return false;
    throw new SetupFault(
      `cache: expected to write in ${folder}, got ${message}`,
      "set UNRECITE_CACHE to a folder you own",
      error,
    );
  } finally {
    if (linking) rmSync(own, { force: true });
  }
}

/**
 * Holds `folder` for this process; resolves to what releases it.
 * @param {string} folder @param {{ say: (line: string) => void, pollMs?: number }} options
 * @returns {Promise<() => void>}
 */
export async function lock(folder, { say, pollMs = 300 }) {
  const path = join(folder, "setup.lock");
  const own = `${path}.${process.pid}`;
  const me = `${process.pid} ${startOf(process.pid)}`;
  for (let waited = false; ;) {
    if (attempt(folder, path, own, me)) {
      return () => {
        if (read(path) === me) rmSync(path, { force: true });
      };
    }
    const holder = read(path);
    if (holder !== "" && !isAlive(holder)) {
      takeOver(path);
      continue;
    }
    if (!waited && holder !== "") {
      say(`waiting: another set-up (process ${holder.split(" ")[0]}) is at work`);
      waited = true;
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}
