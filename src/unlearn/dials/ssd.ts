/** @file Selective synaptic dampening (Foster et al. 2024, "Fast Machine Unlearning without Retraining through SSD", arXiv 2308.07707). */
import type { Window } from "../../eval/index.ts";
import {
  clamp,
  copy_,
  disposeAll,
  div,
  eq,
  gtScalar,
  keep,
  logicalNot,
  maskedFill,
  mul,
  mulScalar,
  noGrad,
  powScalar,
  tidy,
  type Tensor,
} from "../../torch/index.ts";
import { nll } from "../losses/index.ts";
import { trainedTokens } from "../rows.ts";
import { forgetGradients } from "../select/gradients.ts";
import { takeSnapshot } from "../snapshot.ts";
import type { DialInput, MakeDial } from "./types.ts";

/** λ: how strongly a selected weight is dampened. */
const LAMBDA = 1;

/**
 * Importance I = mean over batches of (∇ NLL)² at θ0: I_f on the forget set, I_r on retain text. Where I_f > α I_r a weight becomes
 * θ0 min(1, λ I_r / I_f); the others stay θ0. The strength s lowers the threshold, α = α0 2^-s, α0 the largest finite I_f / I_r, so
 * that nothing is selected at s = 0 and more with every notch. Limit: below α = λ nothing changes any more, since min(1, ·) is 1.
 */
export const ssd: MakeDial = async (input) => {
  const { writer } = input;
  const ratios = await importanceRatios(input);
  const start = takeSnapshot(writer);
  const highest = Math.max(...[...ratios.values()].map(largestFinite));
  const set = (strength: number) => {
    const alpha = highest * 2 ** -strength;
    noGrad(() => {
      for (const [name, variable] of writer.variables) {
        tidy(() => {
          const scale = strength > 0 ? dampening(ratios.get(name)!, alpha) : undefined;
          copy_(variable, scale === undefined ? start.get(name)! : mul(start.get(name)!, scale));
        });
      }
    });
    writer.publish();
  };
  return { dial: { name: "ssd", set }, dispose: () => disposeAll([start, ratios]) };
};

/** min(1, λ / ratio) where the ratio is above α, 1 elsewhere. */
function dampening(ratio: Tensor, alpha: number): Tensor {
  const scale = clamp(mulScalar(powScalar(ratio, -1), LAMBDA), { max: 1 });
  return maskedFill(scale, logicalNot(gtScalar(ratio, alpha)), 1);
}

/** I_f / I_r of every weight that is written to; 0 where neither text needs it, infinite where the forget set alone does. */
async function importanceRatios(input: DialInput): Promise<Map<string, Tensor>> {
  const { writer } = input;
  const eligible = input.eligible.filter(({ name }) => writer.variables.has(name));
  const windows = await input.retained();
  const forget = await importance({ ...input, eligible }, "importance of the texts");
  try {
    const tokens = windows.map((w: Window) => trainedTokens(w, "all"));
    const retain = await importance({ ...input, eligible, windows, tokens }, "importance to keep");
    const ratioOf = (name: string) => {
      const ratio = div(
        writer.gradient(name, forget.get(name)!),
        writer.gradient(name, retain.get(name)!),
      );
      return keep(maskedFill(ratio, logicalNot(eq(ratio, ratio)), 0)); // 0 / 0
    };
    try {
      return noGrad(() => new Map([...forget.keys()].map((n) => [n, tidy(() => ratioOf(n))])));
    } finally {
      disposeAll(retain);
    }
  } finally {
    disposeAll(forget);
  }
}

const importance = (input: DialInput, label: string): Promise<Map<string, Tensor>> =>
  forgetGradients(input, () => () => nll, label, { square: true, byBatch: true });

function largestFinite(ratio: Tensor): number {
  let most = 0;
  for (const v of ratio.toFloats()) if (v > most && v < Infinity) most = v;
  return most;
}
