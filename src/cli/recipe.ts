/** @file Recipes: settings in a JSON file, by the names of the flags; `about` says what it is for and sets nothing. */
import { readObject } from "../io/index.ts";

/** The settings by their keys: "prefix-tokens", "prefix_tokens" and "prefixTokens" are one. */
export async function readRecipe(path: string): Promise<Record<string, unknown>> {
  const entries = Object.entries(await readObject(path)).filter(([key]) => key !== "about");
  return Object.fromEntries(
    entries.map(([key, value]) => [
      key.replace(/^--/, "").replace(/[-_]([a-z])/g, (_, c: string) => c.toUpperCase()),
      value,
    ]),
  );
}
