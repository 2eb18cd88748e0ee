/**
 * @file A run's directory: locked while it is written, run.json replaced whole, events.jsonl a chain of hashes, texts.jsonl
 * without texts. `--resume` finds everything here.
 */
import { randomBytes } from "node:crypto";
import {
  appendFileSync,
  existsSync,
  linkSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { inputError, UnreciteError } from "../base/errors.ts";
import {
  makeFolder,
  saltedSha256,
  writeError,
  writeFileAtomic,
  writeJsonAtomic,
} from "../io/index.ts";
import { startOf } from "../setup/lock.mjs";
import { chainHead, parseEvents } from "./events.ts";
import type { Manifest, TextLine } from "./types.ts";

export type RunDirectory = {
  readonly path: string;
  readonly file: (name: string) => string;
  /** Salted SHA-256 of a text, for texts.jsonl and patches. */
  readonly hashText: (content: string) => string;
  /** Appends one event, chained to the one before. */
  readonly event: (event: object) => void;
  readonly saveManifest: (manifest: Manifest) => Promise<void>;
  readonly saveTexts: (lines: readonly TextLine[]) => Promise<void>;
  /** Takes back what was written; `close` then takes the folder and those made on the way to it, where nothing else is in them. */
  readonly discard: () => void;
  /** Lets go of the lock. */
  readonly close: () => void;
};

/** Opens a new run, or one to be resumed. */
export function openRun(path: string, { resume = false }: { resume?: boolean } = {}): RunDirectory {
  const file = (name: string) => join(path, name);
  if (resume && !existsSync(file("run.json"))) {
    throw inputError(`${path}: expected a run to resume, got no run.json there`, {
      wayOut: "name the directory that the interrupted run printed",
    });
  }
  if (!resume) expectNew(path);
  let made: string[];
  try {
    made = makeFolder(resolve(path));
  } catch (error) {
    throw writeError(error, path);
  }
  const unlock = lock(file("lock"), path);
  try {
    if (!resume) expectNew(path); // a run may have come and gone since
  } catch (error) {
    unlock();
    throw error;
  }
  const salt = saltIn(file("salt"));
  let discarded = false;
  let head = resume ? repairEvents(file("events.jsonl")) : null;
  return {
    path,
    file,
    hashText: saltedSha256(salt),
    event(event) {
      const line = JSON.stringify({ ...event, at: new Date().toISOString(), previous: head });
      head = chainHead(line);
      appendFileSync(file("events.jsonl"), `${line}\n`);
    },
    saveManifest: (manifest) =>
      writeJsonAtomic(file("run.json"), { ...manifest, eventsHead: head }),
    saveTexts: (lines) =>
      writeFileAtomic(file("texts.jsonl"), lines.map((l) => `${JSON.stringify(l)}\n`).join("")),
    discard() {
      for (const name of ["events.jsonl", "run.json", "salt"]) rmSync(file(name), { force: true });
      discarded = true;
    },
    close() {
      unlock(); // once: the next lock there may be another process's
      if (discarded) [path, ...made.reverse()].forEach(removeEmpty);
    },
  };
}

/** Whoever has put something there since keeps the folder. */
function removeEmpty(path: string): void {
  try {
    rmdirSync(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "";
    if (!["ENOTEMPTY", "EEXIST", "ENOENT"].includes(code)) throw error;
  }
}

/** Opens a new run at `path`, or at path-2, path-3, … where others began in the same second. */
export function openFreeRun(path: string): RunDirectory {
  for (let n = 1; ; n++) {
    try {
      return openRun(n === 1 ? path : `${path}-${n}`);
    } catch (error) {
      if (!(error instanceof UnreciteError && error.code === "RUN_HELD")) throw error;
    }
  }
}

function expectNew(path: string): void {
  if (!existsSync(join(path, "run.json"))) return;
  throw inputError(`${path}: expected a new run directory, got one that holds a run`, {
    wayOut: `choose another --run, or go on with --resume ${path}`,
    code: "RUN_HELD",
  });
}

function lock(path: string, run: string): () => void {
  const own = `${path}.${process.pid}-${randomBytes(4).toString("hex")}`;
  for (let tries = 0; tries < 2; tries++) {
    try {
      writeFileSync(own, ownMark());
      linkSync(own, path); // appears with its content, or not at all: an empty lock is a dead one's
      return () => rmSync(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      const pid = holderOf(path);
      if (pid !== undefined) {
        throw inputError(
          `${run}: expected a run directory of our own, got one that process ${pid} is writing`,
          {
            wayOut: `wait for it, or choose another --run; if no run goes on there, delete ${path}`,
            code: "RUN_HELD",
          },
        );
      }
      rmSync(path, { force: true }); // left behind by a process that is gone
    } finally {
      rmSync(own, { force: true });
    }
  }
  throw inputError(`${run}: expected to lock the run directory, got another process first`, {
    wayOut: "try again",
    code: "RUN_HELD",
  });
}

/** Our pid, start and boot: a pid alone is another process's sooner or later, in a container at once. */
function ownMark(): string {
  const start = startOf(process.pid);
  return start === "" ? String(process.pid) : `${process.pid} ${start} ${bootId()}`;
}

/** "" where it is kept from us: pid and start must do then. */
function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return "";
  }
}

/** The living process that holds the lock at `path`; undefined when there is none. */
export function holderOf(path: string): number | undefined {
  if (!existsSync(path)) return undefined;
  const [first, start, boot] = readFileSync(path, "utf8").split(" ");
  const pid = Number(first);
  if (!(pid > 0)) return undefined;
  const now = startOf(pid);
  if (start !== undefined && now !== "") {
    return start === now && boot === bootId() ? pid : undefined;
  }
  // an older lock, a bare pid: if it is ours, another process had it before us
  if (start === undefined && pid === process.pid) return undefined;
  try {
    process.kill(pid, 0);
    return pid;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM" ? pid : undefined;
  }
}

/** 256 bits, readable by the owner alone: with it, a guess of a text could be checked against the hashes. */
function saltIn(path: string): Buffer {
  if (existsSync(path)) return readFileSync(path);
  const salt = randomBytes(32);
  writeFileSync(path, salt, { mode: 0o600 });
  return salt;
}

/** Drops a last line torn by a crash, notes it, and gives the head of the chain. */
function repairEvents(path: string): string | null {
  if (!existsSync(path)) return null;
  const { lines, torn } = parseEvents(path, readFileSync(path, "utf8"));
  let head = lines.length === 0 ? null : chainHead(lines.at(-1)!);
  if (torn) {
    const note = JSON.stringify({
      type: "note",
      note: "a torn last line was dropped",
      at: new Date().toISOString(),
      previous: head,
    });
    writeFileSync(path, [...lines, note].map((l) => `${l}\n`).join(""));
    head = chainHead(note);
  }
  return head;
}
