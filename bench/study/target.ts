/**
 * @file The two models that a study stands on: the target, made to recite forget and kept texts, and the oracle, made to recite the
 * kept texts alone by the same rule and seed: what a perfect eraser would give back.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { MemorizeResult } from "../../src/eval/index.ts";
import { demoModelPath } from "../../src/setup/paths.mjs";
import { memorize } from "../../src/verbs/memorize.ts";
import { nameOf, writeSets, type TargetSpec } from "./sets.ts";

/** Share of texts to recite: all of up to 66, and one text that will not be learnt does not hold up 128. */
const UNTIL = 0.985;

export type TargetFiles = {
  readonly folder: string;
  readonly original: string;
  readonly target: string;
  readonly oracle: string;
  readonly texts: (set: "forget" | "kept" | "unseen" | "recited" | "heldout" | "general") => string;
};

export const targetFiles = (work: string, spec: TargetSpec): TargetFiles => {
  const folder = join(work, nameOf(spec));
  return {
    folder,
    original: demoModelPath(),
    target: join(folder, "target"),
    oracle: join(folder, "oracle"),
    texts: (set) => join(folder, `${set}.jsonl`),
  };
};

/** Makes what is not there yet; a model that was interrupted is made anew. */
export async function makeTarget(
  work: string,
  spec: TargetSpec,
  say: (line: string) => void,
): Promise<TargetFiles> {
  const files = targetFiles(work, spec);
  mkdirSync(files.folder, { recursive: true });
  if (!existsSync(files.texts("general"))) await writeSets(files.folder, spec);
  for (const [name, texts] of [
    ["target", "recited"],
    ["oracle", "kept"],
  ] as const) {
    const note = join(files.folder, `${name}.json`);
    if (existsSync(note)) {
      say(`${name}: found`);
      continue;
    }
    rmSync(files[name], { recursive: true, force: true });
    const result = await memorize(
      {
        model: files.original,
        texts: files.texts(texts),
        general: files.texts("general"),
        heldout: files.texts("heldout"),
        out: files[name],
        until: UNTIL,
        prefixTokens: spec.tokens / 2,
        suffixTokens: spec.tokens / 2,
        dtype: "float32",
        seed: spec.seed,
      },
      {
        onEvent: (e) => {
          if (e.type === "epoch") say(`${name}: epoch ${e.epoch}, recited ${e.recited.toFixed(3)}`);
        },
      },
    );
    writeFileSync(note, `${JSON.stringify(result)}\n`);
  }
  return files;
}

/** What memorising gave and cost. */
export const memorized = (files: TargetFiles, name: "target" | "oracle"): MemorizeResult =>
  JSON.parse(readFileSync(join(files.folder, `${name}.json`), "utf8")) as MemorizeResult;
