/**
 * @file The utility gate as a constraint with a dual variable (Entesari et al. 2025, "Constrained Entropic Unlearning", arXiv
 * 2506.05314): L = L_erase + λ D, D how far text to keep has moved, λ raised while D is above its bound and lowered below it.
 */
import { inputError } from "../base/errors.ts";
import type { Window } from "../eval/index.ts";
import type { Architecture, LogitLoss, Weights } from "../models/index.ts";
import { add, squeeze } from "../torch/index.ts";
import { drawn, type Companions } from "./companions.ts";
import { kl } from "./losses/kl.ts";
import { column, crossEntropy } from "./losses/rows.ts";
import type { ReferenceRows } from "./losses/index.ts";
import { makeReference } from "./reference.ts";
import { trainedTokens } from "./rows.ts";

/** D is KL(θ0‖θ), or the rise of the negative log-likelihood over θ0's; in nats a token. */
export type Constraint = { readonly kind: "kl" | "nll"; readonly bound: number };

/** "none", or what must hold, as in kl=0.05. */
export function parseConstraint(text: string): Constraint | undefined {
  if (text === "none") return undefined;
  const match = /^(kl|nll)=(\d*\.?\d+)$/.exec(text);
  if (match !== null) return { kind: match[1] as Constraint["kind"], bound: Number(match[2]) };
  throw inputError(`--constraint: expected kl=0.05, nll=0.05 or none, got "${text}"`, {
    wayOut: "the number is in nats a token of text to keep",
  });
}

/** λ <- max(0, λ + η (D - bound)), after every step. Limit: at η = 0 λ stays 0, and the constraint is never heard. */
export const nextDual = (dual: number, divergence: number, bound: number, rate: number): number =>
  Math.max(0, dual + rate * (divergence - bound));

/** L = ln p0(y) - ln p(y); dL/dz = p - onehot(y). Limit: 0 at θ0. */
export const rise =
  ({ logProbability }: Pick<ReferenceRows, "logProbability">): LogitLoss =>
  (logits, { from, count, targets }) => {
    const { loss, gradLogits } = crossEntropy(logits, targets);
    return { loss: add(loss, squeeze(column(logProbability, from, count, loss), 1)), gradLogits };
  };

/** Text to keep joins every step with weight λ. */
export async function makeConstraint(
  arch: Architecture,
  weights: Weights,
  windows: readonly Window[],
  {
    constraint: { kind, bound },
    rate,
    seed,
    signal,
  }: {
    constraint: Constraint;
    rate: number;
    seed: number;
    signal?: AbortSignal | undefined;
  },
): Promise<Companions> {
  const tokens = windows.map((w) => trainedTokens(w, "all"));
  const options = { natural: undefined, signal };
  const reference = await makeReference(arch, weights, windows, tokens, options);
  const loss = (chosen: readonly number[]) =>
    kind === "kl" ? kl(reference.rowsOf(chosen)) : rise(reference.rowsOf(chosen));
  return {
    weight: { bound, rate },
    draw: drawn(windows, tokens, seed, loss),
    dispose: reference.dispose,
  };
}
