/**
 * @file Writes to no weight: P vectors in front of every text are all that is trained. The gradient flows through the whole
 * model, but only P x D numbers and their moments are kept.
 */
import {
  plainWeights,
  promptOf,
  SOFT_PROMPT,
  type Architecture,
  type Parameters,
} from "../../models/index.ts";
import {
  clone,
  copy_,
  detach,
  disposeAll,
  keep,
  noGrad,
  requiresGrad,
  tidy,
  toDType,
  type Tensor,
} from "../../torch/index.ts";
import type { Writer } from "./types.ts";

export type PromptWriter = Writer & { readonly prompt: Tensor }; // (P, D) float32

/** A prompt that starts as what the model reads for `tokens`; to be run by `prompted(arch, tokens.length)`. */
export function promptWriter(
  arch: Architecture,
  params: Parameters,
  tokens: readonly number[],
): PromptWriter {
  const base = plainWeights(arch, params);
  const prompt = tidy(() => keep(clone(toDType(promptOf(arch, base, tokens), "float32")))); // (P, D)
  const { dtype } = base.get(arch.head);
  const seen = tidy(() => keep(requiresGrad(clone(toDType(prompt, dtype))))); // what the forward pass reads
  const weights = [...arch.shapes.values()].map((shape) => shape.reduce((a, b) => a * b, 1));
  return {
    kind: "prompt",
    prompt,
    trainable: {
      weights: { ...base, get: (name) => (name === SOFT_PROMPT ? seen : base.get(name)) },
      leavesOf: (part) => (part === "embed" ? [{ name: SOFT_PROMPT, tensor: seen }] : []),
      trainedHead: undefined,
    },
    variables: new Map([[SOFT_PROMPT, prompt]]),
    gradient: (_, gradient) => toDType(gradient, "float32"),
    publish: () => noGrad(() => tidy(() => void copy_(detach(seen), prompt))),
    merged: () => undefined,
    selection: {
      metric: "prompt",
      selected: prompt.size,
      total: weights.reduce((a, b) => a + b, 0),
      rank: null,
    },
    dispose: () => disposeAll([prompt, seen]),
  };
}
