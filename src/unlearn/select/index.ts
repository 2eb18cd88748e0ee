/** @file The selectors, by name. Adding one: its file, a row here; the contract tests pick it up. */
import { unknownName } from "../../base/errors.ts";
import { contrastive } from "./contrastive.ts";
import { dense } from "./dense.ts";
import { directionsGradient } from "./directions-gradient.ts";
import { directions } from "./directions.ts";
import { magnitude } from "./magnitude.ts";
import { random } from "./random.ts";
import type { Selector } from "./types.ts";

export const SELECTORS = {
  contrastive,
  magnitude,
  random,
  dense,
  directions,
  "directions-gradient": directionsGradient,
} satisfies Record<string, Selector>;

export function selectorNamed(name: string): Selector {
  if (!Object.hasOwn(SELECTORS, name)) throw unknownName("selector", name, Object.keys(SELECTORS));
  return SELECTORS[name as keyof typeof SELECTORS];
}

export type { Selector, SelectInput } from "./types.ts";
