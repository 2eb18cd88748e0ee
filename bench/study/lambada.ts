/** @file LAMBADA (Paperno et al. 2016): the last word of a passage that only its whole context gives away, as lm-evaluation-harness scores it. */
import { join } from "node:path";
import { shuffled } from "../../src/base/random.ts";
import { tokenStats, type Window } from "../../src/eval/index.ts";
import { readAllTexts, type Tokenizer } from "../../src/io/index.ts";
import { dataFolder } from "../families.ts";
import type { Served } from "./divergence.ts";

/** Passages in a seeded order; the scored tokens are those of the last word with the space before it. */
export async function lambadaWindows(tokenizer: Tokenizer, count: number): Promise<Window[]> {
  const records = await readAllTexts(join(dataFolder(), "tasks", "lambada_openai.jsonl"), {
    textField: "context",
  });
  const words = await readAllTexts(join(dataFolder(), "tasks", "lambada_openai.jsonl"), {
    textField: "continuation",
  });
  const order = shuffled("lambada", [...records.keys()]).slice(0, count);
  return order.map((i, text) => {
    const context = tokenizer.encode(records[i]!.text!, { addSpecial: false });
    const whole = tokenizer.encode(`${records[i]!.text!} ${words[i]!.text!.trim()}`, {
      addSpecial: false,
    });
    const ids = tokenizer.addsBos && tokenizer.bosId !== null ? [tokenizer.bosId, ...whole] : whole;
    const start = ids.length - (whole.length - context.length);
    return {
      text,
      ids,
      suffixStart: start,
      scored: Array.from({ length: ids.length - start }, (_, k) => start + k),
    };
  });
}

/** Share of passages whose whole last word comes first at each of its tokens. */
export async function lambadaAccuracy(
  { arch, weights }: Served,
  windows: readonly Window[],
): Promise<number> {
  const stats = await tokenStats(arch, weights, windows, { spread: false });
  return stats.filter((s) => s.correct.every((c) => c === 1)).length / windows.length;
}
