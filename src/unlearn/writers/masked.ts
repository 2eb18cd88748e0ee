/**
 * @file Changes no weight but drops some: what is optimised is a score per weight, and the forward pass sees the weights whose score
 * is among the kept share (edge-popup; Ramanujan et al. 2019, arXiv 1911.13299). The patch holds zeros.
 */
import { plainWeights, type Architecture, type Parameters } from "../../models/index.ts";
import {
  abs,
  clone,
  copy_,
  detach,
  disposeAll,
  divScalar,
  indexCopy_,
  keep,
  mean,
  mul,
  noGrad,
  requiresGrad,
  reshape,
  sign,
  tidy,
  toDType,
  topk,
  view,
  zeros,
  type Tensor,
} from "../../torch/index.ts";
import type { Eligible } from "../scope.ts";
import { leavesByPart } from "./leaves.ts";
import type { Writer } from "./types.ts";

/**
 * W_eff = W ⊙ 1[|s| not among the lowest `fraction` of its tensor]; the step passes straight through the indicator, so that
 * dL/ds = dL/dW_eff ⊙ W ⊙ sign(s): a score that went through zero is pushed on, not back. Scores start at |W| / mean|W|: before the first step the smallest weights are those that are dropped.
 */
export function maskedWriter(
  arch: Architecture,
  params: Parameters,
  eligible: readonly Eligible[],
  { fraction }: { fraction: number },
): Writer {
  const working = new Map<string, Tensor>();
  const scores = new Map<string, Tensor>();
  const droppedOf = (name: string) => Math.round(fraction * params.get(name)!.size);
  noGrad(() => {
    for (const { name } of eligible) {
      tidy(() => {
        const weight = params.get(name)!;
        working.set(name, keep(requiresGrad(clone(weight))));
        const size = abs(toDType(weight, "float32"));
        scores.set(name, keep(divScalar(size, mean(size).item() + 1e-30)));
      });
    }
  });
  const publish = () => {
    const one = (score: Tensor, name: string) => {
      const seen = without(params.get(name)!, lowest(score, droppedOf(name)));
      copy_(detach(working.get(name)!), seen);
    };
    noGrad(() => scores.forEach((score, name) => tidy(() => one(score, name))));
  };
  publish();
  const sum = (of: (name: string) => number) => eligible.reduce((n, e) => n + of(e.name), 0);
  return {
    kind: "sparse",
    trainable: {
      weights: plainWeights(arch, new Map([...params, ...working])),
      leavesOf: leavesByPart(eligible, working),
      trainedHead: working.has(arch.head) ? arch.head : undefined,
    },
    variables: scores,
    gradient: (name, gradient) =>
      mul(
        mul(toDType(gradient, "float32"), toDType(params.get(name)!, "float32")),
        sign(scores.get(name)!),
      ),
    publish,
    merged(parameter) {
      const score = scores.get(parameter);
      if (score === undefined) return undefined;
      const drop = () => lowest(score, droppedOf(parameter));
      return noGrad(() => tidy(() => toDType(without(params.get(parameter)!, drop()), "float32")));
    },
    selection: {
      selected: sum(droppedOf),
      total: sum((name) => params.get(name)!.size),
      rank: null,
    },
    dispose: () => disposeAll([working, scores]),
  };
}

/** Flat indices of the `count` scores of least size. */
const lowest = (score: Tensor, count: number): Tensor =>
  topk(reshape(abs(score), [-1]), count, { largest: false, sorted: false })[1];

/** A copy of the weight with zeros at the flat indices. */
function without(weight: Tensor, index: Tensor): Tensor {
  const out = clone(weight);
  indexCopy_(view(out, [-1]), 0, index, zeros(index.shape, { dtype: weight.dtype }));
  return out;
}
