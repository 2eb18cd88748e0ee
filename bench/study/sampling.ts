/** @file The sampling attack: many draws from each text's prefix; how long a run of the true suffix do they say? */
import { meanOf, quantile, type Window } from "../../src/eval/index.ts";
import { generate, type Architecture, type Weights } from "../../src/models/index.ts";

const RULE = { temperature: 0.7, topK: 40 } as const;
const ROWS = 256; // drawn at once

/** Longest run of tokens that stands in both lists; 0 where they share none. */
export function longestShared(a: readonly number[], b: readonly number[]): number {
  let longest = 0;
  let row = new Array<number>(b.length + 1).fill(0);
  for (const x of a) {
    const next = [0, ...b.map((y, j) => (x === y ? row[j]! + 1 : 0))]; // run that ends at (x, b[j])
    longest = Math.max(longest, ...next);
    row = next;
  }
  return longest;
}

/** Runs in tokens. `mean`, `p95` and `max` are over all draws of all windows alike. */
export type Sampled = {
  mean: number;
  p95: number;
  max: number;
  draws: number;
  /** p95 over windows of the longest run of each: what an attacker who knows the text gets. Absent in cells from before it. */
  attacked_p95?: number | undefined;
};

/** Longest verbatim run of each of `draws` continuations of each window (temperature 0.7, the 40 likeliest tokens). */
export async function sampledRuns(
  arch: Architecture,
  w: Weights,
  windows: readonly Window[],
  { draws, seed }: { draws: number; seed: number },
): Promise<Sampled> {
  const all = windows.flatMap((window) => new Array<Window>(draws).fill(window));
  const runs: number[] = [];
  for (let from = 0; from < all.length; from += ROWS) {
    const part = all.slice(from, from + ROWS);
    const longest = Math.max(...part.map((x) => x.ids.length - x.suffixStart));
    const said = await generate(
      arch,
      w,
      part.map((x) => x.ids.slice(0, x.suffixStart)),
      { ...RULE, maxTokens: longest, seed: seed + from },
    );
    said.forEach((ids, i) =>
      runs.push(longestShared(ids, part[i]!.ids.slice(part[i]!.suffixStart))),
    );
  }
  const longest = windows.map((_, i) => Math.max(...runs.slice(i * draws, (i + 1) * draws)));
  return {
    mean: meanOf(runs).value,
    p95: quantile(runs, 0.95),
    max: Math.max(...longest),
    draws,
    attacked_p95: quantile(longest, 0.95),
  };
}
