/** @file Repeat doses of memorisation: groups of texts shown a different number of times an epoch, and how well each is known. */
import { inputError } from "../base/errors.ts";
import { shuffled } from "../base/random.ts";
import { meanOf, type MemorizeResult } from "../eval/index.ts";
import type { Measured } from "./measure.ts";

export type Doses = NonNullable<MemorizeResult["doses"]>;

/** How often each text is shown in an epoch: dealt in turn to the doses, in a seeded order, so that groups differ by one text at most. */
export function dealt(texts: number, doses: readonly number[], seed: number): number[] {
  const twice = doses.find((d, i) => doses.indexOf(d) !== i);
  if (twice !== undefined) {
    throw inputError(`--repeats: expected each number once, got ${twice} twice`, {
      wayOut: "for example --repeats 1,2,4,8",
    });
  }
  if (doses.length > texts) {
    throw inputError(
      `--repeats: expected a text or more for each of ${doses.length} doses, got ${texts}`,
      { wayOut: "give more texts, or fewer doses" },
    );
  }
  const order = shuffled(`doses ${seed}`, [...new Array(texts).keys()]);
  const out = new Array<number>(texts);
  order.forEach((text, place) => (out[text] = doses[place % doses.length]!));
  return out;
}

/** What each dose led to, smallest first; texts too short to score are left out. */
export function dosesOf(dose: readonly number[], { rows }: Pick<Measured, "rows">): Doses {
  return [...new Set(dose)]
    .sort((a, b) => a - b)
    .map((repeats) => {
      const own = rows.filter((_, i) => dose[i] === repeats).filter((r) => r !== null);
      const mean = (metric: string) => meanOf(own.map((r) => r[metric]!)).value;
      return {
        repeats,
        texts: own.length,
        recited: own.filter((r) => r["exact_match"] === 1).length,
        memorization_accuracy: mean("memorization_accuracy"),
        suffix_nll: mean("suffix_nll"),
      };
    });
}
