/**
 * @file Writes to no weight: a rule on logits whose strength a dial turns. What runs below the logits never changes, so it runs
 * once per row of tokens and each notch costs the output matrix alone.
 */
import {
  contrastedHead,
  dpHead,
  paired,
  plainWeights,
  stemOf,
  type Architecture,
  type Parameters,
  type RuleName,
  type Weights,
} from "../../models/index.ts";
import type { Writer } from "./types.ts";

export type DecodingWriter = Writer & {
  readonly rule: RuleName;
  readonly strength: () => number;
  readonly turn: (strength: number) => void;
  /** Holds what makes the reinforced model, where the rule compares with one. */
  readonly reinforced: Writer | undefined;
};

/** The rule over θ0, and what it runs in; owns the reinforced model's writer. */
export function decodingWriter(
  arch: Architecture,
  params: Parameters,
  rule: RuleName,
  reinforced: Writer | undefined,
): { arch: Architecture; writer: DecodingWriter } {
  let now = 0;
  const strength = () => now;
  const base = plainWeights(arch, params);
  const beside = reinforced?.trainable.weights;
  const run = beside === undefined ? arch : paired(arch, beside);
  const logits =
    beside === undefined
      ? dpHead(arch, base, strength)
      : contrastedHead(arch, base, beside, strength);
  const stem = stemOf(run, base, arch.layers);
  const weights: Weights = { ...base, logits, stem };
  const total = [...params.values()].reduce((sum, p) => sum + p.size, 0);
  return {
    arch: run,
    writer: {
      kind: "decoding",
      rule,
      strength,
      turn: (to) => void (now = to),
      reinforced,
      trainable: { weights, leavesOf: () => [], trainedHead: undefined },
      variables: new Map(),
      gradient: (_, gradient) => gradient,
      publish: () => undefined,
      merged: () => undefined,
      selection: reinforced?.selection ?? { metric: "decoding", selected: 0, total, rank: null },
      dispose() {
        stem.dispose();
        reinforced?.dispose();
      },
    },
  };
}
