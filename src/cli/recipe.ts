/** @file Recipes: settings in a JSON file, by the names of the flags; `about` says what it is for and sets nothing. */
import { resolveFlags, type Flags, type Resolved } from "../base/flags.ts";
import { readObject } from "../io/index.ts";
import type { Invocation } from "./invocation.ts";

/** The settings by their keys: "prefix-tokens", "prefix_tokens" and "prefixTokens" are one. */
export async function readRecipe(path: string): Promise<Record<string, unknown>> {
  const wayOut = "a recipe is a JSON object of flags and their values: check the path";
  const recipe = await readObject(path, "a recipe", { wayOut });
  const entries = Object.entries(recipe).filter(([key]) => key !== "about");
  return Object.fromEntries(
    entries.map(([key, value]) => [
      key.replace(/^--/, "").replace(/[-_]([a-z])/g, (_, c: string) => c.toUpperCase()),
      value,
    ]),
  );
}

/** The values of a command's flags, as given and from its recipe. */
export async function resolveCall<T extends Flags>(
  table: T,
  { given, recipe: file }: Pick<Invocation, "given" | "recipe">,
): Promise<Resolved<T>> {
  return resolveFlags(table, given, file === undefined ? {} : await readRecipe(file), { file });
}
