/**
 * @file Stability as METHOD.md measures it: the learning rates at which a recipe gets to equal forgetting with general text hardly
 * worse, and how far apart the lowest and the highest of them are.
 */
import type { Cell } from "./store.ts";

/** x held-out perplexity before: what a rate may cost at most. */
const BEARABLE = 1.2;

export type RateWindow = {
  readonly recipe: string;
  /** Factors on the recipe's own rate, ascending. */
  readonly tried: readonly number[];
  /** The longest run of neighbours among them that hold. */
  readonly held: readonly number[];
  /** log10 of the last over the first of `held`; null where none holds. */
  readonly decades: number | null;
  /** Whether the run goes on to an end of what was tried, so that the window may be wider. */
  readonly open: boolean;
};

/** The window of every recipe that has two rates or more, the widest first; `perplexity` is that before erasing. */
export function rateWindows(cells: readonly Cell[], perplexity: number): RateWindow[] {
  const windows = [...new Set(cells.map((c) => c.recipe))].flatMap((recipe) => {
    const own = cells.filter((c) => c.recipe === recipe).sort((a, b) => a.factor - b.factor);
    return own.length < 2 ? [] : [windowOf(recipe, own, perplexity)];
  });
  const width = (w: RateWindow) => w.decades ?? -1;
  return windows.sort((a, b) => width(b) - width(a));
}

function windowOf(recipe: string, cells: readonly Cell[], perplexity: number): RateWindow {
  const tried = cells.map((c) => c.factor);
  let [from, to] = [0, 0];
  for (let start = 0; start < cells.length; start++) {
    let end = start;
    while (end < cells.length && holds(cells[end]!, perplexity)) end++;
    if (end - start > to - from) [from, to] = [start, end];
  }
  const held = tried.slice(from, to);
  return {
    recipe,
    tried,
    held,
    decades: held.length === 0 ? null : Math.log10(held.at(-1)! / held[0]!),
    open: held.length > 0 && (from === 0 || to === tried.length),
  };
}

const holds = ({ status, figures }: Cell, perplexity: number): boolean =>
  status === "reached" && figures !== null && figures.perplexity <= BEARABLE * perplexity;
