/** @file The rounding attack: the weights of a model as they would be deployed in 8 or 4 bits. */
import type { Architecture, Parameters } from "../../src/models/index.ts";
import { keep, noGrad, tidy, type Tensor } from "../../src/torch/index.ts";
import { roundedLinear } from "../../src/unlearn/rounding.ts";

/** All linear weights rounded; embeddings, norms and biases as they are. The caller disposes what is new. */
export function quantised(
  arch: Architecture,
  params: Parameters,
  bits: 4 | 8,
): { params: Parameters; made: readonly Tensor[] } {
  const made: Tensor[] = [];
  const out = new Map(params);
  for (const l of arch.linears) {
    const name = `${l.name}.weight`;
    const value = noGrad(() => tidy(() => keep(roundedLinear(params.get(name)!, bits))));
    made.push(value);
    out.set(name, value);
  }
  return { params: out, made };
}
