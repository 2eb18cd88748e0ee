/**
 * @file The texts of one target: rows of lm-extraction-benchmark, one a family, as forget, kept and unseen set, and WikiText as
 * general text (mixed in while memorising) and held-out text (never trained on).
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { shuffled } from "../../src/base/random.ts";
import { openModel, readAllTexts } from "../../src/io/index.ts";
import { demoModelPath } from "../../src/setup/paths.mjs";
import { dataFolder, familyRows, type Row } from "../families.ts";

/** What a target is made of; another seed takes other families. */
export type TargetSpec = {
  /** Texts in each of forget, kept and unseen set. */
  readonly texts: number;
  /** Texts in the kept set, where it is another number: the oracle and half of the target's epochs cost by it. */
  readonly kept?: number | undefined;
  /** Tokens of a text: half of them given, half scored. */
  readonly tokens: number;
  readonly seed: number;
  /** Added to the name: the same texts memorised on another machine are another target. */
  readonly label?: string | undefined;
};

const HELDOUT = 16; // passages of held-out text
const HELDOUT_CHARACTERS = 800; // of each: the gate measures them every epoch

export const nameOf = ({ texts, kept, tokens, seed, label }: TargetSpec): string => {
  const size = kept === undefined || kept === texts ? `${texts}` : `${texts}+${kept}`;
  return [`${size}x${tokens}-s${seed}`, label].filter((part) => part !== undefined).join("-");
};

/** Writes forget, kept, unseen, recited (forget and kept), heldout and general as JSONL. */
export async function writeSets(
  folder: string,
  { texts, kept = texts, tokens, seed }: TargetSpec,
): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const source = await openModel(demoModelPath());
  const tokenizer = await source.tokenizer();
  const rows = await familyRows(tokenizer, { count: 2 * texts + kept, tokens, seed });
  source.close();
  const wiki = shuffled(
    `wikitext ${seed}`,
    await readAllTexts(join(dataFolder(), "text", "wikitext.csv")),
  ).map((r) => ({ id: r.id, text: r.text! }));
  const write = (name: string, list: readonly Row[]) =>
    writeFileSync(
      join(folder, `${name}.jsonl`),
      list.map((t) => `${JSON.stringify(t)}\n`).join(""),
    );
  write("forget", rows.slice(0, texts));
  write("kept", rows.slice(texts, texts + kept));
  write("unseen", rows.slice(texts + kept));
  write("recited", rows.slice(0, texts + kept));
  write(
    "heldout",
    wiki.slice(0, HELDOUT).map(({ id, text }) => ({ id, text: text.slice(0, HELDOUT_CHARACTERS) })),
  );
  write("general", wiki.slice(HELDOUT));
}
