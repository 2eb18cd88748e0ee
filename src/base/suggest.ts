/** @file Finds the known name a typo most likely meant. */
import { distance } from "fastest-levenshtein";

/** The known name within a third of its length in edits, or undefined. */
export function closestName(got: string, known: readonly string[]): string | undefined {
  const normal = (s: string) => s.toLowerCase().replaceAll(/[-_ ]/g, "");
  let best: { name: string; edits: number } | undefined;
  for (const name of known) {
    const edits = distance(normal(got), normal(name));
    if (edits <= Math.max(1, Math.floor(name.length / 3)) && edits < (best?.edits ?? Infinity)) {
      best = { name, edits };
    }
  }
  return best?.name;
}

/** ` Did you mean X?`, or nothing where no known name is close. */
export function didYouMean(got: string, known: readonly string[]): string {
  const near = closestName(got, known);
  return near === undefined ? "" : ` Did you mean ${near}?`;
}
