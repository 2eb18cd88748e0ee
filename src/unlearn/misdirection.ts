/**
 * @file What RMU's steps run in: the model up to the block whose hidden states are driven away, and the vector c·u they are driven
 * to. See losses/rmu.ts.
 */
import { inputError } from "../base/errors.ts";
import { randomIntegers } from "../base/random.ts";
import type { Window } from "../eval/index.ts";
import { truncated, type Architecture, type Weights } from "../models/index.ts";
import {
  keep,
  mul,
  mulScalar,
  noGrad,
  sum,
  tensor,
  tidy,
  toDType,
  type Tensor,
} from "../torch/index.ts";
import type { MethodSettings } from "./methods/index.ts";
import { hiddenRows } from "./reference.ts";

/** Blocks that are written to, the steered one the last of them. */
const WRITTEN = 3;

/** The block whose output is steered: `--layer`, or a quarter of the depth, 2 at least, where there are so many. */
export function steeredLayer(
  { layer }: Pick<MethodSettings, "layer">,
  { layers }: Architecture,
): number {
  const chosen = layer ?? Math.min(layers - 1, Math.max(2, Math.floor(layers / 4)));
  if (chosen < layers) return chosen;
  throw inputError(`--layer: expected a block of this model, 0 to ${layers - 1}, got ${chosen}`, {
    wayOut: "leave out --layer: a quarter of the depth is the default",
  });
}

/** The model up to the steered block, and the first block that is written to. */
export type Steered = { readonly trained: Architecture; readonly first: number };

export function steered(settings: Pick<MethodSettings, "layer">, arch: Architecture): Steered {
  const layer = steeredLayer(settings, arch);
  return { trained: truncated(arch, layer + 1), first: Math.max(0, layer + 1 - WRITTEN) };
}

/**
 * c·u (1, D): u uniform in [0, 1) per coordinate, drawn from the seed, with norm 1; c = `coefficient` times the root mean square of
 * ‖h0‖ over the trained positions. The paper's c, 6.5 for a model of 7B, is on that model's own scale.
 */
export async function steeringVector(
  trained: Architecture,
  weights: Weights,
  windows: readonly Window[],
  tokens: readonly (readonly number[])[],
  {
    coefficient,
    seed,
    signal,
  }: { coefficient: number; seed: number; signal?: AbortSignal | undefined },
): Promise<Tensor> {
  const hidden = await hiddenRows(trained, weights, windows, tokens, { signal });
  const draws = randomIntegers(`rmu ${seed}`, 2 ** 32, trained.hidden).map((v) => v / 2 ** 32);
  const length = Math.sqrt(draws.reduce((s, v) => s + v * v, 0));
  try {
    return noGrad(() =>
      tidy(() => {
        const wide = toDType(hidden, "float32"); // (ΣN, D)
        const rms = Math.sqrt(sum(mul(wide, wide)).item() / hidden.shape[0]!);
        const u = tensor(
          draws.map((v) => v / length),
          { shape: [1, trained.hidden] },
        );
        return keep(mulScalar(u, coefficient * rms));
      }),
    );
  } finally {
    hidden.dispose();
  }
}
