/**
 * @file Texts that come as GPT-2 token ids: a .npy file, or lm-extraction-benchmark's prefix and suffix files.
 * Ids and rows are counted from 0, as NumPy counts them.
 */
import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { inputError } from "../base/errors.ts";
import { GPT2_VOCABULARY_SIZE } from "./gpt2-vocabulary.ts";
import { openTokenRows } from "./npy.ts";
import type { TextRecord, TextRecords } from "./text-record.ts";

/** The texts of a .npy file of shape (texts, tokens), called `name` in errors. */
export async function* readTokenFile(
  path: string,
  { name = path }: { name?: string } = {},
): TextRecords {
  const { read } = await openTokenRows(path);
  let row = 0;
  for await (const ids of read()) yield tokenRecord(ids, { name, row: row++ });
}

/**
 * The path up to "_prefix.npy" of the benchmark files in a folder, or undefined when there are none.
 * With several splits in it (train, val), the caller must name one, for their row numbers collide.
 */
export async function benchmarkStem(folder: string): Promise<string | undefined> {
  const files = (await readdir(folder)).filter((name) => /^[^_]+_prefix\.npy$/.test(name)).sort();
  const [first, second] = files.map((name) => join(folder, name.slice(0, -"_prefix.npy".length)));
  if (first !== undefined && second !== undefined) {
    throw inputError(`${folder}: expected one split, got ${files.length} (${files.join(", ")})`, {
      wayOut: `name one: ${first} or ${second}`,
    });
  }
  return first;
}

/** The texts of `<stem>_prefix.npy` and `<stem>_suffix.npy`, joined row by row; a preprefix is left out. */
export async function* readBenchmark(stem: string): TextRecords {
  const [prefix, suffix] = await Promise.all(
    ["prefix", "suffix"].map((part) => openTokenRows(`${stem}_${part}.npy`)),
  );
  if (prefix === undefined || suffix === undefined) return;
  if (prefix.rows !== suffix.rows) {
    throw inputError(
      `${stem}_suffix.npy: expected ${prefix.rows} rows as in ${basename(stem)}_prefix.npy, got ${suffix.rows}`,
      { wayOut: "take both files from the same release" },
    );
  }
  const suffixes = suffix.read()[Symbol.asyncIterator]();
  let row = 0;
  try {
    for await (const ids of prefix.read()) {
      const next = await suffixes.next();
      if (next.done === true) return;
      yield tokenRecord([...ids, ...next.value], { name: stem, row: row++ });
    }
  } finally {
    await suffixes.return?.(); // it stands before its end: its file is still open
  }
}

function tokenRecord(ids: number[], { name, row }: { name: string; row: number }): TextRecord {
  const bad = ids.findIndex((id) => !(id >= 0 && id < GPT2_VOCABULARY_SIZE));
  if (bad >= 0) {
    throw inputError(
      `${name} row ${row}: expected GPT-2 ids from 0 to ${GPT2_VOCABULARY_SIZE - 1}, got ${ids[bad]} at token ${bad}`,
      {
        wayOut:
          "token files must hold ids of the GPT-2 vocabulary; give other models' texts as JSONL",
      },
    );
  }
  return { id: String(row), row, tokens: { ids, vocabulary: "gpt2" } };
}
