/** @file The columns of the study: what a model still knows, what it can do, and what it gives away under attack. */
import { meanOf, summarise, tokenStats, type TokenStats } from "../../src/eval/index.ts";
import { plainWeights, type Model, type Parameters } from "../../src/models/index.ts";
import { disposeAll } from "../../src/torch/index.ts";
import { standingOf } from "../../src/unlearn/level.ts";
import { roundedParameters } from "../../src/unlearn/rounding.ts";
import type { TextSet } from "../../src/verbs/sets.ts";
import { divergence, type Served } from "./divergence.ts";
import { lambada, lambadaAccuracy } from "./lambada.ts";
import { relearned, type Relearned } from "./relearn.ts";
import { sampledRuns, type Sampled } from "./sampling.ts";

export type Known = {
  readonly accuracy: number;
  readonly nll: number;
  readonly recited: number;
  /** Accuracy of the text that is known best. */
  readonly worst: number;
};

export type Figures = {
  readonly forget: Known & { readonly entropy: number };
  readonly kept: Known;
  readonly unseen: Known;
  readonly perplexity: number;
  readonly lambada: { readonly accuracy: number; readonly n: number } | null;
  /** KL(target‖this), nats a token. */
  readonly divergence: { readonly forget: number; readonly kept: number; readonly heldout: number };
  readonly sampled: Sampled;
  /** The forget set after rounding, with the perplexity that the rounding costs; null where there are no weights of its own. */
  readonly quantised: Record<"8" | "4", Known & { readonly perplexity: number }> | null;
  readonly relearned: Relearned | null;
};

export type Subject = {
  readonly served: Served;
  /** The model's own weights; undefined where it is served with something beside them. */
  readonly params: Parameters | undefined;
};

export type Sets = {
  readonly forget: TextSet;
  readonly kept: TextSet;
  readonly unseen: TextSet;
  readonly heldout: TextSet;
};

type Options = {
  readonly lambada: number;
  readonly draws: number;
  readonly seed: number;
  /** Leaves out what takes long and says nothing of a model that is broken. */
  readonly attacks: boolean;
};

export async function figuresOf(
  { served, params }: Subject,
  target: Model,
  sets: Sets,
  { lambada: count, draws, seed, attacks }: Options,
): Promise<Figures> {
  const { arch, weights } = served;
  const known = async (set: TextSet) =>
    knownFrom(await tokenStats(arch, weights, set.windows, { spread: false }), set);
  const stats = await tokenStats(arch, weights, sets.forget.windows);
  const moved = (set: TextSet) => divergence(target, served, set.windows);
  const passages = count === 0 ? undefined : await lambada(target, count);
  return {
    forget: {
      ...knownFrom(stats, sets.forget),
      entropy: meanOf(stats.flatMap((s) => [...s.entropy])).value,
    },
    kept: await known(sets.kept),
    unseen: await known(sets.unseen),
    perplexity: await perplexityOf(served, sets.heldout),
    lambada:
      passages === undefined
        ? null
        : { accuracy: await lambadaAccuracy(served, passages), n: passages.items.length },
    divergence: {
      forget: moved(sets.forget),
      kept: moved(sets.kept),
      heldout: moved(sets.heldout),
    },
    sampled: await sampledRuns(arch, weights, sets.forget.windows, { draws, seed }),
    quantised:
      params === undefined || !attacks
        ? null
        : {
            "8": await afterRounding(8, served, params, sets),
            "4": await afterRounding(4, served, params, sets),
          },
    relearned:
      params === undefined || !attacks
        ? null
        : await relearned(arch, params, sets.forget.windows, { seed }),
  };
}

async function afterRounding(bits: 4 | 8, { arch }: Served, params: Parameters, sets: Sets) {
  const { params: rounded, made } = roundedParameters(arch, params, bits);
  try {
    const served = { arch, weights: plainWeights(arch, rounded) };
    const stats = await tokenStats(arch, served.weights, sets.forget.windows, { spread: false });
    return {
      ...knownFrom(stats, sets.forget),
      perplexity: await perplexityOf(served, sets.heldout),
    };
  } finally {
    disposeAll(made);
  }
}

export function knownFrom(stats: readonly TokenStats[], set: TextSet): Known {
  const { levels, mean } = standingOf(stats, set.windows);
  const whole = stats.filter((s) => s.correct.every((c) => c === 1)).length;
  return {
    ...mean,
    recited: whole / stats.length,
    worst: Math.max(...levels.map((l) => l.accuracy)),
  };
}

async function perplexityOf({ arch, weights }: Served, heldout: TextSet): Promise<number> {
  const stats = await tokenStats(arch, weights, heldout.windows, { spread: false });
  return summarise("perplexity", [], stats, "heldout").value;
}
