/** @file What the loop measures between two epochs: where each text stands, and what forgetting has cost general text. */
import { summarise, tokenStats, type Window } from "../eval/index.ts";
import type { Architecture, Weights } from "../models/index.ts";
import type { Measure } from "./loop-types.ts";
import { levelsOf } from "./level.ts";

type Measured = {
  readonly windows: readonly Window[];
  /** How many texts the windows are of. */
  readonly texts: number;
  /** Windows of general text. */
  readonly gate: readonly Window[];
  readonly signal?: AbortSignal | undefined;
};

export async function measureTexts(
  arch: Architecture,
  w: Weights,
  { windows, texts, gate, signal }: Measured,
): Promise<Measure> {
  const stats = await tokenStats(arch, w, windows, { signal });
  const held = await tokenStats(arch, w, gate, { spread: false, signal });
  const textOf = windows.map((x) => x.text);
  const recited = new Set(
    stats.flatMap((s, i) => (s.correct.every((c) => c === 1) ? [textOf[i]!] : [])),
  ).size;
  const entropy =
    stats.reduce((sum, s) => sum + s.entropy.reduce((a, b) => a + b, 0), 0) /
    stats.reduce((n, s) => n + s.entropy.length, 0);
  return {
    levels: levelsOf(stats, textOf, texts),
    perplexity: summarise("perplexity", [], held, "heldout").value,
    recited,
    entropy,
  };
}
