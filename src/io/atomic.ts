/**
 * @file Writes that are there whole or not at all: temporary sibling, fsync, rename, fsync of the folder.
 * A crash at any point leaves the old content (or nothing), never a torn file.
 */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, rmdirSync, statSync } from "node:fs";
import { open, readdir, rename, rm, rmdir, type FileHandle } from "node:fs/promises";
import { basename, dirname, join, relative, resolve } from "node:path";
import { inputError } from "../base/errors.ts";
import { codeOf, isMissing, writeError } from "./disk-error.ts";

const sibling = (path: string): string =>
  join(dirname(path), `.${basename(path)}.${randomBytes(6).toString("hex")}.tmp`);

/**
 * Makes a folder and those on the way to it; returns those that were not there, outermost first. Unlike Node's `recursive`, a
 * read-only disk is not reported as ENOENT.
 */
export function makeFolder(path: string): string[] {
  try {
    return makeOne(path);
  } catch (error) {
    if (codeOf(error) !== "ENOENT" || dirname(path) === path) throw error;
    // once more and no oftener: /proc says ENOENT though the folder above is there
    return [...makeFolder(dirname(path)), ...makeOne(path)];
  }
}

function makeOne(path: string): string[] {
  try {
    mkdirSync(path);
    return [path];
  } catch (error) {
    const isFolder = () => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
    if (codeOf(error) === "EEXIST" && isFolder()) return [];
    throw error;
  }
}

/** Whether a path is, or lies in, another. */
export const isInside = (inner: string, outer: string): boolean =>
  !/^\.\.(?:\/|$)/.test(relative(outer, inner));

/** Refuses a path that could not be written, by a trial in the last folder on the way to it that exists. */
export function expectWritable(path: string): void {
  let place = dirname(resolve(path));
  while (!existsSync(place) && dirname(place) !== place) place = dirname(place);
  try {
    rmdirSync(mkdtempSync(join(place, ".unrecite-")));
  } catch (error) {
    throw writeError(error, path);
  }
}

/** Flushes a file to the disk, or a folder's entries, so that a rename in it survives a power cut. */
async function sync(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Lets `write` fill a temporary file that becomes `path` when it returns; on a failure nothing is left. */
export async function writeAtomic<T>(
  path: string,
  write: (file: FileHandle) => Promise<T>,
  { mode = 0o666 }: { mode?: number } = {},
): Promise<T> {
  const target = resolve(path);
  const temporary = sibling(target);
  try {
    makeFolder(dirname(target));
    const file = await open(temporary, "wx", mode);
    let result: T;
    try {
      result = await write(file);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, target);
    await sync(dirname(target));
    return result;
  } catch (error) {
    await rm(temporary, { force: true });
    throw writeError(error, path);
  }
}

/** Writes `content` to `path` atomically. */
export async function writeFileAtomic(
  path: string,
  content: string | Uint8Array,
  { mode = 0o666 }: { mode?: number } = {},
): Promise<void> {
  await writeAtomic(path, (file) => file.writeFile(content), { mode });
}

/** Writes the JSON of `value`, indented by two spaces and ended by a newline, atomically. */
export const writeJsonAtomic = (path: string, value: unknown): Promise<void> =>
  writeFileAtomic(path, `${JSON.stringify(value, null, 2)}\n`);

/** Refuses a folder that holds anything already. */
export async function expectEmptyFolder(path: string): Promise<void> {
  let entries: string[];
  try {
    entries = await readdir(path);
  } catch (error) {
    if (isMissing(error)) return;
    throw writeError(error, path);
  }
  if (entries.length === 0) return;
  throw inputError(
    `${path}: expected a folder that is new or empty, got ${entries.length} entries`,
    {
      wayOut: "choose another path, or move away what is there",
    },
  );
}

/** Lets `fill` make a temporary folder that becomes `path` when it returns; an existing one must be empty. */
export async function writeFolderAtomic(
  path: string,
  fill: (folder: string) => Promise<void>,
): Promise<void> {
  await expectEmptyFolder(path);
  const target = resolve(path);
  const temporary = sibling(target);
  try {
    makeFolder(temporary);
    await fill(temporary);
    // those that were written as wholes a second time: that costs nothing
    const names = await readdir(temporary, { recursive: true });
    for (const name of ["", ...names]) await sync(join(temporary, name));
    await rmdir(target).catch((error: unknown) => {
      if (!isMissing(error)) throw error;
    });
    await rename(temporary, target);
    await sync(dirname(target));
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw writeError(error, path);
  }
}
