/** @file The selectors, by name. Adding one: its file, a row here; the contract tests pick it up. */
import { unknownName } from "../../base/errors.ts";
import { antiAligned } from "./anti_aligned.ts";
import { contrastiveOdds } from "./contrastive_odds.ts";
import { contrastiveRecited } from "./contrastive_recited.ts";
import { contrastiveSelf } from "./contrastive_self.ts";
import { contrastive } from "./contrastive.ts";
import { dense } from "./dense.ts";
import { difference } from "./difference.ts";
import { directionsGradient } from "./directions-gradient.ts";
import { directions } from "./directions.ts";
import { downstreamImportance } from "./downstream_importance.ts";
import { magnitude } from "./magnitude.ts";
import { memflex } from "./memflex.ts";
import { random } from "./random.ts";
import { ratio } from "./ratio.ts";
import { salun } from "./salun.ts";
import { signGated } from "./sign_gated.ts";
import { sure } from "./sure.ts";
import type { Selector } from "./types.ts";
import { wagle } from "./wagle.ts";

export const SELECTORS = {
  contrastive,
  magnitude,
  random,
  dense,
  directions,
  "directions-gradient": directionsGradient,
  sign_gated: signGated,
  anti_aligned: antiAligned,
  difference,
  ratio,
  salun,
  wagle,
  memflex,
  sure,
  downstream_importance: downstreamImportance,
  contrastive_self: contrastiveSelf,
  contrastive_recited: contrastiveRecited,
  contrastive_odds: contrastiveOdds,
} satisfies Record<string, Selector>;

export function selectorNamed(name: string): Selector {
  if (!Object.hasOwn(SELECTORS, name)) throw unknownName("selector", name, Object.keys(SELECTORS));
  return SELECTORS[name as keyof typeof SELECTORS];
}

export type { Selector, SelectInput } from "./types.ts";
