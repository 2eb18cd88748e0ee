/** @file A cell before it is run: which recipe, on what target, how fast. */
import type { TargetSpec } from "./sets.ts";

/** Flags of `erase`. */
export type RecipeFlags = Readonly<Record<string, string | number>>;
export type Recipe = { readonly name: string; readonly flags: RecipeFlags };

/** Factors on a method's own learning rate: the same grid for all. */
export type Plan = {
  readonly target: TargetSpec;
  readonly recipe: Recipe;
  readonly factor: number;
  readonly seed: number;
};
