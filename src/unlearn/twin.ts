/**
 * @file The twin that some steps are taken in: weights as they may come to be used, rounded, or with some of the texts taught again.
 * What is written stands beside either, so a step there moves what the model itself has, and it holds in both.
 */
import { shuffled } from "../base/random.ts";
import type { Window } from "../eval/index.ts";
import {
  forwardBackward,
  plainWeights,
  type Architecture,
  type Parameters,
  type Trainable,
} from "../models/index.ts";
import {
  add_,
  clone,
  copy_,
  detach,
  disposeAll,
  keep,
  mulScalar_,
  noGrad,
  requiresGrad,
  sign,
  tidy,
  toDType,
  type Tensor,
} from "../torch/index.ts";
import { nll } from "./losses/index.ts";
import type { Optimiser } from "./optimiser.ts";
import { roundedLinear, type Rounding } from "./rounding.ts";
import { trainedTokens, trainingBatch, type TrainingBatch } from "./rows.ts";
import { gradientSteps, type Stepper } from "./step.ts";
import type { Writer } from "./writers/types.ts";

/** One step in so many is the twin's: enough that neither is behind the other at the end. */
export const TWIN_EVERY = { rounded: 4, relearned: 2 };

export type TwinInput = {
  /** The whole model's, and what steps run in where that is less. */
  readonly arch: Architecture;
  readonly stepped?: Architecture | undefined;
  /** θ0. */
  readonly params: Parameters;
  readonly writer: Writer;
  readonly beside: NonNullable<Writer["beside"]>;
  readonly optimiser: Optimiser;
  readonly windows: readonly Window[];
  readonly rounding: Rounding;
  /** ρ: how far each linear weight stands on the way to reciting some texts; 0: none is taught. */
  readonly relearning: number;
  /** Texts taught at most. */
  readonly taught: number;
  readonly seed: number;
};

/**
 * Steps of the writer's own weights and, every fourth or second, of the twin's: θ0 with each linear weight T = Q(W) - ρ sign(∂L/∂T),
 * L the nll of texts drawn anew for each such step, none of which the step itself trains. The sign is Adam's first step: where
 * teaching them again would begin (sharpness-aware minimisation towards relearning; Fan et al. 2025, arXiv 2502.05374). Limits: ρ = 0
 * is rounding alone; Q the identity, relearning alone. Holds T, as large as the linear weights, and nothing that resuming would need.
 */
export function twinSteps(input: TwinInput): { step: Stepper; dispose: () => void } {
  const { arch, stepped = arch, params, writer, beside, optimiser, relearning } = input;
  const held = new Map(arch.linears.map(({ name }) => [name, heldFor(input, name)] as const));
  const leaves = new Map([...held].map(([name, value]) => [name, leafOf(value)] as const));
  const over = (linears: Held) =>
    beside(plainWeights(arch, new Map([...params, ...byParameter(linears)])));
  const weights = over(held);
  const learning: Trainable = {
    weights: over(leaves),
    leavesOf: (part) =>
      arch.linears
        .filter((l) => l.block === part)
        .map(({ name }) => ({ name, tensor: leaves.get(name)! })),
    trainedHead: undefined,
  };
  const own = gradientSteps(stepped, writer, optimiser);
  const other = gradientSteps(
    stepped,
    { ...writer, trainable: { ...writer.trainable, weights } },
    optimiser,
  );
  const every = relearning > 0 ? TWIN_EVERY.relearned : TWIN_EVERY.rounded;
  const step: Stepper = (training, lossOf, at) => {
    if (at.step % every !== every - 1) return own(training, lossOf, at);
    const taught = relearning > 0 ? drawn(input, at) : [];
    if (taught.length > 0) relearn(input, held, learning, taught);
    return other(without(training, at.members, new Set(taught)), lossOf, at);
  };
  return { step, dispose: () => disposeAll([leaves, held]) };
}

type Held = ReadonlyMap<string, Tensor>;

const byParameter = (held: Held): [string, Tensor][] =>
  [...held].map(([name, value]) => [`${name}.weight`, value]);

const heldFor = ({ params, rounding }: TwinInput, name: string): Tensor =>
  noGrad(() => tidy(() => keep(standing(params.get(`${name}.weight`)!, rounding))));

/** The same memory, as something that gradients are asked of. */
const leafOf = (value: Tensor): Tensor => tidy(() => keep(requiresGrad(detach(value))));

/** Q(W) in the dtype of W; a copy, whatever Q is. */
function standing(weight: Tensor, rounding: Rounding): Tensor {
  if (rounding === "none") return clone(weight);
  return toDType(roundedLinear(toDType(weight, "float32"), rounding === "4" ? 4 : 8), weight.dtype);
}

/** Puts each held weight where it stands before anything is taught, then ρ along the sign of what teaching would do to it. */
function relearn(
  { arch, params, windows, rounding, relearning }: TwinInput,
  held: Held,
  learning: Trainable,
  taught: readonly number[],
): void {
  noGrad(() =>
    held.forEach((value, name) =>
      tidy(() => copy_(value, standing(params.get(`${name}.weight`)!, rounding))),
    ),
  );
  const texts = taught.map((i) => windows[i]!);
  tidy(() => {
    const { batch, rows } = trainingBatch(
      texts,
      texts.map((w) => trainedTokens(w, "all")),
    );
    forwardBackward(arch, learning, batch, rows, () => nll, {
      onGrad: (name, gradient) =>
        noGrad(() => void add_(held.get(name)!, mulScalar_(sign(gradient), -relearning))),
    });
  });
}

/** Texts to teach before a step: such as it does not train, as far as there are; at most half of its own. */
function drawn(
  { windows, taught, seed }: TwinInput,
  { step, members }: { step: number; members: readonly number[] },
): number[] {
  const trained = new Set(members);
  const order = shuffled(`relearning ${seed} ${step}`, [...windows.keys()]);
  const others = order.filter((i) => !trained.has(i));
  const half = order.filter((i) => trained.has(i)).slice(0, Math.floor(trained.size / 2));
  return [...others, ...half].slice(0, taught);
}

/** The batch with no weight on what was taught, the rest of the members sharing it. */
function without(
  { batch, rows, sequence }: TrainingBatch,
  members: readonly number[],
  taught: ReadonlySet<number>,
): TrainingBatch {
  const isOut = (b: number) => b < members.length && taught.has(members[b]!);
  if (!members.some((m) => taught.has(m))) return { batch, rows, sequence };
  let [own, left] = [0, 0];
  rows.weights.forEach((weight, i) => {
    if (sequence[i]! >= members.length) return; // text that only joins
    own += weight;
    if (!isOut(sequence[i]!)) left += weight;
  });
  const weights = rows.weights.map((weight, i) => {
    if (sequence[i]! >= members.length) return weight;
    return isOut(sequence[i]!) ? 0 : (weight * own) / left;
  });
  return { batch, rows: { ...rows, weights }, sequence };
}
