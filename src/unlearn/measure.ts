/** @file What the loop measures between two epochs: where each window stands, and what forgetting has cost general text. */
import { summarise, tokenStats, type Window } from "../eval/index.ts";
import type { Architecture, Weights } from "../models/index.ts";
import type { Measure } from "./loop-types.ts";
import { standingOf } from "./level.ts";

type Measured = {
  readonly windows: readonly Window[];
  /** Windows of general text. */
  readonly gate: readonly Window[];
  readonly signal?: AbortSignal | undefined;
};

export async function measureTexts(
  arch: Architecture,
  w: Weights,
  { windows, gate, signal }: Measured,
): Promise<Measure> {
  const stats = await tokenStats(arch, w, windows, { signal });
  const held = await tokenStats(arch, w, gate, { spread: false, signal });
  const recited = new Set(
    stats.flatMap((s, i) => (s.correct.every((c) => c === 1) ? [windows[i]!.text] : [])),
  ).size;
  const entropy =
    stats.reduce((sum, s) => sum + s.entropy.reduce((a, b) => a + b, 0), 0) /
    stats.reduce((n, s) => n + s.entropy.length, 0);
  return {
    ...standingOf(stats, windows),
    perplexity: summarise("perplexity", [], held, "heldout").value,
    recited,
    entropy,
  };
}
