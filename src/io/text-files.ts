/** @file Texts that are files: a .txt or .md file, a folder of them (with its folders), or a glob. */
import { readdir, readFile } from "node:fs/promises";
import { basename, extname, join, relative, sep } from "node:path";
import { inputError } from "../base/errors.ts";
import { readError } from "./disk-error.ts";
import type { TextRecord, TextRecords } from "./text-record.ts";
import { query } from "./text-rows.ts";
import { expectUtf8 } from "./utf8-check.ts";

const isText = (path: string): boolean => [".txt", ".md"].includes(extname(path).toLowerCase());
const isHidden = (path: string): boolean => path.split(sep).some((part) => part.startsWith("."));

/** True when a path holds a wildcard. */
export const hasPattern = (path: string): boolean => /[*?[]/.test(path);

/** The text in one file; its id is the file's name. */
export async function* readTextFile(path: string): TextRecords {
  yield await textAt(path, { id: basename(path), row: 1 });
}

/** The texts in a folder and its folders, sorted by path; ids are paths inside it; hidden files are left out. */
export async function* readFolder(folder: string): TextRecords {
  let entries: string[];
  try {
    entries = await readdir(folder, { recursive: true });
  } catch (error) {
    throw readError(error, folder, "a folder of texts");
  }
  const files = entries.filter((path) => isText(path) && !isHidden(path)).sort();
  if (files.length === 0) {
    const other = entries.find((path) => /\.(jsonl|ndjson|json|csv|tsv|parquet|npy)$/i.test(path));
    throw inputError(`${folder}: expected .txt or .md files, got a folder without any`, {
      wayOut:
        other === undefined ? "check the path" : `name the file itself: ${join(folder, other)}`,
    });
  }
  let row = 0;
  for (const file of files) {
    yield await textAt(join(folder, file), { id: file.split(sep).join("/"), row: ++row });
  }
}

/** The texts that a glob matches, sorted by path; ids are paths below the folder where its wildcards begin. */
export async function* globTexts(pattern: string): TextRecords {
  const files: string[] = [];
  for await (const [file] of query(`SELECT file FROM glob('${pattern.replaceAll("'", "''")}')`)) {
    files.push(String(file));
  }
  const parts = pattern.split("/");
  const fixed = parts.slice(0, parts.findIndex(hasPattern)).join("/");
  const base = pattern.startsWith("/") && fixed === "" ? "/" : fixed || ".";
  const texts = files.filter((file) => isText(file) && !isHidden(relative(base, file))).sort();
  if (texts.length === 0) {
    const got = files.length === 0 ? "no file" : `${files.length} files of other kinds`;
    throw inputError(`${pattern}: expected a glob of .txt or .md files, got ${got}`, {
      wayOut: "quote the glob, or name a folder or a single file",
    });
  }
  let row = 0;
  for (const file of texts) yield await textAt(file, { id: relative(base, file), row: ++row });
}

async function textAt(path: string, { id, row }: { id: string; row: number }): Promise<TextRecord> {
  await expectUtf8(path);
  const text = (await readFile(path, "utf8")).replace(/^\uFEFF/, "");
  if (text.trim() === "") {
    throw inputError(`${path}: expected a text, got white space only`, {
      wayOut: "remove the file",
    });
  }
  return { id, row, text };
}
