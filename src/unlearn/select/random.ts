/** @file A random share of equal size: the control that every score must beat. */
import { keep, manualSeed, rand, tidy } from "../../torch/index.ts";
import { selectByScore } from "./by-score.ts";
import type { Selector } from "./types.ts";

/** s_i uniform in [0, 1), drawn from the run's seed. */
export const random: Selector = {
  name: "random",
  summary: "a random share of the weights, from the seed",
  formula: "s uniform",
  origin: "ours",
  kind: "weights",
  select(input) {
    manualSeed(input.seed + 7);
    const scores = new Map(
      input.eligible.map(({ name }) => [
        name,
        tidy(() => keep(rand(input.params.get(name)!.shape))),
      ]),
    );
    return Promise.resolve(selectByScore(scores, input));
  },
};
