/** @file Contrastive directions by activation (METHOD.md section 1c, a): what only the recited texts excite. */
import {
  add,
  keep,
  matmul,
  mul,
  mulScalar,
  powScalar,
  tidy,
  unsqueeze,
  clamp,
  type Tensor,
} from "../../torch/index.ts";
import { roundedWeights } from "../rounding.ts";
import { eachBlockMoments, type Corpus, type Moments } from "./moments.ts";
import { leadingDirections, unwhiten, whitener } from "./subspace.ts";
import type { SelectInput, Selector } from "./types.ts";

/**
 * V = leading eigenvectors of L⁻¹ A_f L⁻ᵀ, L Lᵀ = A + λ·mean(diag A)·I, A = A_s + ν E, U = L⁻ᵀ V diag(e)^-½: each direction has
 * RMS 1 on the forget set, and e says how much more the forget set excites it than ordinary text and, with weight ν, the errors of
 * rounding to 4 bits do: what is written there is heard in a rounded model as well. One U per input of a block.
 */
export const directions: Selector = {
  name: "directions",
  summary: "input directions that the forget set excites and the model's own text does not",
  formula:
    "U = L⁻ᵀ V e^-½, (V, e) leading eigenpairs of L⁻¹ A_f L⁻ᵀ, L Lᵀ = A_s + ν E + λ mean diag I",
  origin: "ours",
  kind: "directions",
  async select(input) {
    const { arch, weights, rank, ridge, signal } = input;
    const corpora = [{ rows: await input.selfTexts() }, forgetCorpus(input)];
    const found = new Map<string, Tensor>();
    const visit: Parameters<typeof eachBlockMoments>[3] = (block, moments) => {
      for (const [name, [self, forget]] of moments) {
        const layers = linearsReading(input, block, name);
        if (layers.length === 0) continue; // out of scope
        const ordinary = ordinaryFrom(self!, forget!, input.noise);
        const u = tidy(() => keep(scaled(ordinary, forget!.inputs, rank, ridge)));
        for (const l of layers) found.set(l, u);
      }
    };
    await eachBlockMoments(arch, weights, corpora, visit, {
      wanted: (block) =>
        arch.linears.some(
          (l) => l.block === block && linearsReading(input, block, l.input).length > 0,
        ),
      signal,
      onBlock: (done, total) => input.onProgress?.("directions", done, total),
    });
    return found;
  },
};

function scaled(ordinary: Tensor, forget: Tensor, rank: number, ridge: number): Tensor {
  const l = whitener(ordinary, ridge);
  const { vectors, values } = leadingDirections(
    l,
    (x) => matmul(forget, x),
    Math.min(rank, ordinary.shape[0]!),
  );
  const inverseRoot = powScalar(clamp(values, { min: 1e-12 }), -0.5); // (r)
  return mul(unwhiten(l, vectors), unsqueeze(inverseRoot, 0)); // (d, r)
}

/** The forget set, beside its twin rounded to 4 bits where that counts. */
export const forgetCorpus = ({ arch, weights, windows, noise }: SelectInput): Corpus => ({
  rows: windows.map((w) => w.ids),
  under: noise === 0 ? undefined : roundedWeights(arch, weights, 4),
});

/** A_s + ν E: a direction that rounding errors excite is no quieter than one that ordinary text does. */
export const ordinaryFrom = (self: Moments, { errors }: Moments, noise: number): Tensor =>
  errors === undefined ? self.inputs : add(self.inputs, mulScalar(errors, noise));

/** The linear layers in scope that read an input. */
export function linearsReading(
  { arch, eligible }: SelectInput,
  block: number,
  input: string,
): string[] {
  const inScope = new Set(eligible.map((e) => e.name));
  return arch.linears
    .filter((l) => l.block === block && l.input === input && inScope.has(`${l.name}.weight`))
    .map((l) => l.name);
}
