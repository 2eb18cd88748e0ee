/**
 * @file The quickstart's job on real recited text: 32 + 32 rows of lm-extraction-benchmark, split by family, put into the demo
 * model with WikiText mixed in (the texts of the study's 32x64-s0); then four methods on the same target with the same stop, each
 * with its own settings.
 */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { flags, unrecite } from "../scripts/commands.mjs";
import type { EraseResult, EvaluateResult, MemorizeResult } from "../src/eval/index.ts";
import { demoModelPath } from "../src/setup/paths.mjs";
import { writeSets } from "./study/sets.ts";
import type { Row } from "./types.ts";

const METHODS = ["emso", "emso-paper", "em", "undial"] as const;
const SET = 32; // texts in each of forget, kept, unseen
const EPOCHS = 20; // at most, for every method
const CUT = { "prefix-tokens": 32, "suffix-tokens": 32 };
const work = join("runs", "erase-real");
const at = (name: string) => join(work, name);

export async function eraseReal(): Promise<Row[]> {
  rmSync(work, { recursive: true, force: true });
  await writeSets(work, { texts: SET, tokens: 64, seed: 0 });
  const model = demoModelPath();
  const sets = { forget: at("forget.jsonl"), kept: at("kept.jsonl"), heldout: at("heldout.jsonl") };
  const original = unrecite(
    "evaluate",
    ...flags({ model, ...sets, ...CUT, run: at("run-original") }),
  ) as EvaluateResult;
  const memorized = unrecite(
    "memorize",
    ...flags({
      model,
      texts: at("recited.jsonl"),
      general: at("general.jsonl"),
      heldout: sets.heldout,
      out: at("target"),
      ...CUT,
      run: at("run-memorize"),
    }),
  ) as MemorizeResult;
  const erased = METHODS.map((method) => {
    const given = { model: at("target"), ...sets, unseen: at("unseen.jsonl"), reference: model };
    const run = at(`run-${method}`);
    const fixed = { method, epochs: EPOCHS, dtype: "float32", ...CUT, run };
    return unrecite("erase", ...flags({ ...given, ...fixed })) as EraseResult;
  });
  const rows = [...targetRows(memorized, original), ...erased.flatMap((r) => rowsOf(r, original))];
  writeFileSync(at("summary.json"), `${JSON.stringify({ original, memorized, erased, rows })}\n`);
  return rows;
}

type Sets = {
  forget?: Metrics | undefined;
  kept?: Metrics | undefined;
  heldout?: Metrics | undefined;
};
type Metrics = Record<string, { value: number }>;
const of = (doc: Sets, set: keyof Sets, metric: string): number => doc[set]![metric]!.value;

const row = (name: string, value: number, unit: string, bar?: [string, boolean]): Row => ({
  name,
  value,
  unit,
  peer: null,
  ratio: null,
  bound: null,
  bar: bar?.[0] ?? "reported",
  pass: bar?.[1] ?? true,
});

function targetRows(memorized: MemorizeResult, original: EvaluateResult): Row[] {
  const cost = of(memorized.after, "heldout", "perplexity") / of(original, "heldout", "perplexity");
  const recited = memorized.recited / memorized.texts;
  return [
    row("target recited", recited, "share", ["value >= 0.95", recited >= 0.95]),
    row("target perplexity", cost, "x original", ["value <= 1.10", cost <= 1.1]),
  ];
}

/** The quickstart's bars bind the default; the other methods' figures stand beside it as they are. */
function rowsOf(
  { method, before, after, patch, seconds }: EraseResult,
  original: EvaluateResult,
): Row[] {
  const bar = (text: string, pass: boolean): [string, boolean] | undefined =>
    method === "emso" ? [text, pass] : undefined;
  const recited = of(after, "forget", "exact_match");
  const accuracy = of(after, "forget", "memorization_accuracy");
  const known = of(original, "forget", "memorization_accuracy");
  const nll = of(after, "forget", "suffix_nll");
  const natural = of(original, "forget", "suffix_nll");
  const x = (set: keyof Sets, metric: string) => of(after, set, metric) / of(before, set, metric);
  const perplexity = x("heldout", "perplexity");
  const [keptAccuracy, keptRecited] = [
    x("kept", "memorization_accuracy"),
    x("kept", "exact_match"),
  ];
  const accuracyBar = `value <= ${known.toFixed(3)} + 0.02`;
  return [
    row(`${method} recited`, recited, "share of forget", bar("value = 0", recited === 0)),
    row(`${method} accuracy`, accuracy, "forget", bar(accuracyBar, accuracy <= known + 0.02)),
    row(
      `${method} nll`,
      nll,
      "nats/token, forget",
      bar(`value >= 0.95 x ${natural.toFixed(2)}`, nll >= 0.95 * natural),
    ),
    row(`${method} perplexity`, perplexity, "x before", bar("value <= 1.01", perplexity <= 1.01)),
    row(
      `${method} kept accuracy`,
      keptAccuracy,
      "x before",
      bar("value >= 0.97", keptAccuracy >= 0.97),
    ),
    row(
      `${method} kept recited`,
      keptRecited,
      "x before",
      bar("value >= 0.85", keptRecited >= 0.85),
    ),
    row(`${method} patch`, (patch?.bytes ?? 0) / 1e6, "MB"),
    row(`${method} time`, seconds, "s"),
  ];
}
