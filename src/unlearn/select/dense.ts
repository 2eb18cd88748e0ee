/** @file All eligible weights: no selection. */
import type { Selector } from "./types.ts";

/** Every weight in scope; `--fraction` is 1. */
export const dense: Selector = {
  name: "dense",
  summary: "all weights in scope",
  formula: "no score",
  origin: "paper",
  kind: "weights",
  select: (input) => Promise.resolve(new Map(input.eligible.map(({ name }) => [name, null]))),
};
