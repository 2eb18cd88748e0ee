/**
 * @file Selectors that score every weight by gradients at θ0: the gradients they combine, each by name, and the combination,
 * tensor by tensor. Peak memory: one weight-sized buffer per gradient.
 */
import { tokenStats, wholeWindow } from "../../eval/index.ts";
import type { LogitLoss } from "../../models/index.ts";
import {
  add,
  clamp,
  disposeAll,
  div_,
  exp,
  keep,
  log,
  neg,
  noGrad,
  rsubScalar,
  tidy,
  unsqueeze,
  type Tensor,
} from "../../torch/index.ts";
import { LOSSES, LOSS_DEFAULTS, nll } from "../losses/index.ts";
import { crossEntropy } from "../losses/rows.ts";
import type { Selected } from "../writers/weights.ts";
import { selectByScore } from "./by-score.ts";
import { erasingGradients, forgetGradients } from "./gradients.ts";
import type { SelectInput } from "./types.ts";

/** Makes one gradient (or its square) per eligible parameter; the caller disposes them. */
export type Gradients = (input: SelectInput) => Promise<Map<string, Tensor>>;

const entropyLoss = () => () => LOSSES.em.of(undefined as never, LOSS_DEFAULTS);

/** a = ∇L_EM on the forget set: descending it raises entropy. */
export const entropyGradient: Gradients = (input) =>
  forgetGradients(input, entropyLoss, "entropy gradient");

/** b = ∇L_NLL on the forget set: descending it memorises. */
export const likelihoodGradient: Gradients = (input) =>
  forgetGradients(input, () => () => nll, "likelihood gradient");

/** Gradient of the method's own erasing loss on the recited tokens of the suffix. */
export const erasingGradientOnRecited: Gradients = async (input) =>
  erasingGradients(input, { counted: await recited(input) });

/** a on the recited tokens of the suffix alone. */
export const entropyGradientOnRecited: Gradients = async (input) =>
  forgetGradients(input, entropyLoss, "entropy gradient", { counted: await recited(input) });

/** b on the recited tokens of the suffix alone. */
export const likelihoodGradientOnRecited: Gradients = async (input) =>
  forgetGradients(input, () => () => nll, "likelihood gradient", { counted: await recited(input) });

/** b' = -∇ ln(p(y) / (1 - p(y))) on recited tokens: unlike b it does not vanish where the model is certain. */
export const oddsGradientOnRecited: Gradients = async (input) =>
  forgetGradients(input, () => () => odds, "odds gradient", { counted: await recited(input) });

/** b² per batch on the forget set: the importance of a weight for it. */
export const forgetImportance: Gradients = (input) =>
  forgetGradients(input, () => () => nll, "forget importance", { square: true });

/** Gradient of the likelihood of the model's own samples. */
export const selfGradient: Gradients = async (input) =>
  forgetGradients(await onSelfText(input), () => () => nll, "own text gradient");

/** Its square per batch: the importance of a weight for ordinary text. */
export const selfImportance: Gradients = async (input) =>
  forgetGradients(await onSelfText(input), () => () => nll, "own text importance", {
    square: true,
  });

async function onSelfText(input: SelectInput): Promise<SelectInput> {
  const windows = (await input.selfTexts()).map(wholeWindow);
  return { ...input, windows, tokens: windows.map((w) => w.scored) };
}

/** Which trained tokens θ0 still recites: in the suffix, and its argmax. */
async function recited({ arch, weights, windows, tokens, signal }: SelectInput) {
  const stats = await tokenStats(arch, weights, windows, { spread: false, signal });
  return windows.map((w, i) => {
    const right = new Set(w.scored.filter((_, k) => stats[i]!.correct[k] === 1));
    return tokens[i]!.map((t) => right.has(t));
  });
}

/** L = -ln(p(y) / (1 - p(y))); dL/dz = (p - onehot(y)) / (1 - p(y)). */
export const odds: LogitLoss = (logits, { targets }) => {
  const { loss, gradLogits } = crossEntropy(logits, targets);
  const rest = clamp(rsubScalar(exp(neg(loss)), 1), { min: 1e-6 }); // 1 - p(y), (n)
  return { loss: add(loss, log(rest)), gradLogits: div_(gradLogits, unsqueeze(rest, 1)) };
};

/** The k share of weights with the largest score; `score` combines a tensor's gradients and may overwrite them. */
export async function selectByGradients(
  input: SelectInput,
  sources: readonly Gradients[],
  score: (gradients: readonly Tensor[], weight: Tensor) => Tensor,
): Promise<Selected> {
  const made: Map<string, Tensor>[] = [];
  try {
    for (const source of sources) made.push(await source(input));
    const scores = new Map<string, Tensor>();
    for (const { name } of input.eligible) {
      const gradients = made.map((m) => m.get(name)!);
      scores.set(
        name,
        noGrad(() => tidy(() => keep(score(gradients, input.params.get(name)!)))),
      );
      for (const [i, g] of gradients.entries()) {
        made[i]!.delete(name);
        if (g !== scores.get(name)) g.dispose();
      }
    }
    return selectByScore(scores, input);
  } finally {
    disposeAll(made);
  }
}
