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

/** Steps of teaching; ρ is their sum. */
const LESSONS = 4;

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
  /** ρ: how far each linear weight goes at most on the way to reciting some texts again; 0: none is taught. */
  readonly relearning: number;
  /** Most texts taught at a time, and most of their windows in a lesson; never more than a quarter of the texts, but for one of two or three. */
  readonly taught: number;
  readonly seed: number;
};

/** How steps are taken, and what is made anew where an epoch begins. */
export type Turns = {
  readonly step: Stepper;
  readonly begin: (epoch: number) => void;
  readonly dispose: () => void;
};

/**
 * Steps of the writer's own weights and, every fourth or second, of the twin's: θ0 with each linear weight T, from Q(W) on four times
 * T <- T - (ρ/4) sign(∂L/∂T), L the nll of a few texts with what is written by then, from the second epoch on others in each epoch. The
 * twin's steps do not train those texts: what is left of them there must not bring back the rest (sharpness-aware minimisation towards
 * relearning; Fan et al. 2025, arXiv 2502.05374). Limits: ρ = 0, or one text, is rounding alone; Q the identity, relearning alone. Holds T, as large
 * as the linear weights. T depends on the epoch and the variables at its start alone.
 */
export function twinSteps(input: TwinInput): Turns {
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
  let taught: ReadonlySet<number> = new Set();
  return {
    begin(epoch) {
      if (relearning === 0 || epoch < 2) return; // they are all recited: nothing to teach
      taught = new Set(drawn(input, epoch));
      relearn(input, held, learning, taught);
    },
    step(training, lossOf, at) {
      const rest = at.step % every === every - 1 && without(training, at.members, taught);
      return rest ? other(rest, lossOf, at) : own(training, lossOf, at);
    },
    dispose: () => disposeAll([leaves, held]),
  };
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

/** Puts each held weight where it stands before anything is taught, then on the way to where the texts are recited. */
function relearn(
  { arch, params, windows, rounding, relearning, taught: most }: TwinInput,
  held: Held,
  learning: Trainable,
  taught: ReadonlySet<number>,
): void {
  noGrad(() =>
    held.forEach((value, name) =>
      tidy(() => copy_(value, standing(params.get(`${name}.weight`)!, rounding))),
    ),
  );
  const texts = [...taught].slice(0, most).map((i) => windows[i]!);
  const tokens = texts.map((w) => trainedTokens(w, "all"));
  const onGrad = (name: string, gradient: Tensor): void =>
    noGrad(() => void add_(held.get(name)!, mulScalar_(sign(gradient), -relearning / LESSONS)));
  for (let i = 0; i < LESSONS && texts.length > 0; i++) {
    tidy(() => {
      const { batch, rows } = trainingBatch(texts, tokens);
      forwardBackward(arch, learning, batch, rows, () => nll, { onGrad });
    });
  }
}

/** The windows of the texts that are taught in an epoch. */
function drawn({ windows, taught, seed }: TwinInput, epoch: number): number[] {
  const texts = [...new Set(windows.map((w) => w.text))];
  const few = Math.max(Math.floor(texts.length / 4), texts.length > 1 ? 1 : 0);
  const order = shuffled(`relearning ${seed} ${epoch}`, texts).slice(0, Math.min(taught, few));
  return windows.flatMap((w, i) => (order.includes(w.text) ? [i] : []));
}

/** The batch with no weight on what was taught, the rest of its members sharing it; undefined where there is no rest. */
function without(
  { batch, rows, sequence }: TrainingBatch,
  members: readonly number[],
  taught: ReadonlySet<number>,
): TrainingBatch | undefined {
  const isOut = (b: number) => b < members.length && taught.has(members[b]!);
  if (!members.some((m) => taught.has(m))) return { batch, rows, sequence };
  let [own, left] = [0, 0];
  rows.weights.forEach((weight, i) => {
    if (sequence[i]! >= members.length) return; // text that only joins
    own += weight;
    if (!isOut(sequence[i]!)) left += weight;
  });
  if (left === 0) return undefined;
  const weights = rows.weights.map((weight, i) => {
    if (sequence[i]! >= members.length) return weight;
    return isOut(sequence[i]!) ? 0 : (weight * own) / left;
  });
  return { batch, rows: { ...rows, weights }, sequence };
}
