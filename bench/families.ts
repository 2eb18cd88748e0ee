/**
 * @file Rows of lm-extraction-benchmark, one per near-duplicate family: rows that share any run of 20 tokens belong to one
 * family (15,000 rows form 3,579), and a family never stands on both sides of a split.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { environmentError } from "../src/base/errors.ts";
import { shuffled } from "../src/base/random.ts";
import { gpt2Decoder, readAllTexts, type Tokenizer } from "../src/io/index.ts";

const SHARED = 20; // tokens that make two rows one family
const RUN = 8; // tokens that two chosen rows must not share

/** The folder with lm-extraction-benchmark's arrays and the other test data. */
export function dataFolder(): string {
  const folder = process.env["UNRECITE_DATA"] ?? join("..", "shared", "data");
  if (existsSync(join(folder, "lm-extraction", "train_prefix.npy"))) return folder;
  throw environmentError(
    `${folder}: expected lm-extraction/train_prefix.npy and train_suffix.npy, got nothing there`,
    {
      wayOut:
        "get them from google-research/lm-extraction-benchmark and name their parent folder in UNRECITE_DATA",
    },
  );
}

/** The family of each row: the smallest row number it is linked to by runs of 20 tokens. */
export function familiesOf(rows: readonly (readonly number[])[]): number[] {
  const parent = rows.map((_, i) => i);
  const root = (i: number): number => {
    while (parent[i] !== i) i = parent[i] = parent[parent[i]!]!;
    return i;
  };
  const owner = new Map<string, number>();
  rows.forEach((ids, row) => {
    for (const key of runsOf(ids, SHARED)) {
      const first = owner.get(key);
      if (first === undefined) owner.set(key, row);
      else {
        const [a, b] = [root(first), root(row)];
        parent[Math.max(a, b)] = Math.min(a, b);
      }
    }
  });
  return rows.map((_, i) => root(i));
}

const runsOf = (ids: readonly number[], length: number): string[] =>
  ids.slice(length - 1).map((_, i) => ids.slice(i, i + length).join(" "));

export type Row = { id: string; text: string };

/**
 * Rows in a seeded order, one a family, each cut to exactly `tokens` tokens of the model; no two share 8 of them in a row.
 * Rows whose tokens do not survive decoding and encoding are left out.
 */
export async function familyRows(
  tokenizer: Tokenizer,
  { count, tokens, seed }: { count: number; tokens: number; seed: number },
): Promise<Row[]> {
  const records = await readAllTexts(join(dataFolder(), "lm-extraction"));
  const families = familiesOf(records.map((r) => r.tokens!.ids));
  const decode = await gpt2Decoder();
  const encode = (text: string) => tokenizer.encode(text, { addSpecial: false });
  const taken = new Set<number>();
  const seen = new Set<string>();
  const chosen: Row[] = [];
  for (const i of shuffled(`families ${seed}`, [...records.keys()])) {
    if (chosen.length === count) break;
    if (taken.has(families[i]!)) continue;
    const ids = encode(decode(records[i]!.tokens!.ids)).slice(0, tokens);
    const text = tokenizer.decode(ids);
    if (ids.length < tokens || encode(text).join() !== ids.join()) continue;
    const runs = runsOf(ids, RUN);
    if (runs.some((r) => seen.has(r))) continue;
    for (const r of runs) seen.add(r);
    taken.add(families[i]!);
    chosen.push({ id: records[i]!.id, text });
  }
  return chosen;
}
