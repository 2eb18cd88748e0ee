/**
 * @file The lower part of a model, as a model: its hidden states take the place of logits, since its head is the identity. Whatever
 * works on logits row by row (losses, the head's chunks, what joins a batch) then works on hidden states.
 */
import { alias, eye, keep, tidy, type Tensor } from "../torch/index.ts";
import type { Architecture, Weights } from "./types.ts";

/** Name under which weights give the identity matrix (D, D). */
export const IDENTITY = "(identity)";

/** The first `layers` blocks of `arch`; needs weights that know IDENTITY. */
export function truncated(arch: Architecture, layers: number): Architecture {
  const { embed, blocks } = arch.parts;
  return {
    ...arch,
    layers,
    vocab: arch.hidden,
    linears: arch.linears.filter((l) => l.block < layers),
    parts: { embed, blocks: blocks.slice(0, layers), final: [] },
    head: IDENTITY,
    final: (_, x) => alias(x), // (B, T, D)
  };
}

/** The identity in the dtype of the weights; the caller's. */
export const identityFor = (arch: Architecture, w: Weights): Tensor =>
  tidy(() => keep(eye(arch.hidden, { dtype: w.get(arch.head).dtype })));
