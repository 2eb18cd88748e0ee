/**
 * @file What transformers and PEFT measure on what the quickstart wrote: the merged directory and base + adapter must give our
 * own exact_match, and our suffix_nll to 1e-3 and 1e-4. Run `npm run quickstart` first.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { environmentError } from "../src/base/errors.ts";
import { openModel, readAllTexts } from "../src/io/index.ts";
import { peer } from "./peer.ts";
import type { Row } from "./types.ts";

type Level = { exact_match: number; suffix_nll: number };
const RUN = "runs/quickstart";

export async function agree(): Promise<Row[]> {
  if (!existsSync(join(RUN, "summary.json"))) {
    throw environmentError(`${RUN}: expected the quickstart's files, got none`, {
      wayOut: "run: npm run quickstart",
    });
  }
  const source = await openModel(join(RUN, "target"));
  const tokenizer = await source.tokenizer();
  const texts = await readAllTexts(join(RUN, "forget.jsonl"));
  const rows = texts.map((t) => tokenizer.encode(t.text!, { addSpecial: false }));
  source.close();
  const folder = mkdtempSync(join(tmpdir(), "unrecite-agree-"));
  const windows = join(folder, "windows.json");
  writeFileSync(windows, JSON.stringify({ rows, prefix: 32 }));
  const merged = peer<Level>(join(RUN, "erased"), "agree", windows);
  const adapter = peer<Level>(
    join(RUN, "target"),
    "agree",
    windows,
    join(RUN, "run-erase", "patch"),
  );
  rmSync(folder, { recursive: true });
  const own = (
    JSON.parse(readFileSync(join(RUN, "run-evaluate", "run.json"), "utf8")) as {
      results: { forget: Record<keyof Level, { value: number }> };
    }
  ).results.forget;
  const row = (name: string, got: Level, bar: number): Row[] => {
    const gap = Math.abs(got.suffix_nll - own.suffix_nll.value);
    const same = got.exact_match === own.exact_match.value;
    return [
      {
        name: `${name} nll`,
        value: own.suffix_nll.value,
        unit: "nats/token",
        peer: { name: "transformers", value: got.suffix_nll },
        ratio: null,
        bound: bar,
        bar: `difference <= ${bar}`,
        pass: gap <= bar,
      },
      {
        name: `${name} recited`,
        value: own.exact_match.value,
        unit: "share",
        peer: { name: "transformers", value: got.exact_match },
        ratio: null,
        bound: 0,
        bar: "equal",
        pass: same,
      },
    ];
  };
  return [...row("merged", merged, 1e-3), ...row("adapter", adapter, 1e-4)];
}
