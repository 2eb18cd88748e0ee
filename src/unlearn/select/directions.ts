/** @file Contrastive directions by activation (METHOD.md section 1c, a): what only the recited texts excite. */
import {
  keep,
  matmul,
  mul,
  powScalar,
  tidy,
  unsqueeze,
  clamp,
  type Tensor,
} from "../../torch/index.ts";
import { eachBlockMoments } from "./moments.ts";
import { leadingDirections, unwhiten, whitener } from "./subspace.ts";
import type { SelectInput, Selector } from "./types.ts";

/**
 * V = leading eigenvectors of L⁻¹ A_f L⁻ᵀ, L Lᵀ = A_s + λ·mean(diag A_s)·I, U = L⁻ᵀ V diag(e)^-½: each direction has RMS 1 on
 * the forget set, and e says how much more the forget set excites it than ordinary text. One U per input of a block.
 */
export const directions: Selector = {
  name: "directions",
  summary: "input directions that the forget set excites and the model's own text does not",
  formula: "U = L⁻ᵀ V e^-½, (V, e) leading eigenpairs of L⁻¹ A_f L⁻ᵀ",
  origin: "ours",
  kind: "directions",
  async select(input) {
    const { arch, weights, windows, rank, ridge, signal } = input;
    const corpora = [await input.selfTexts(), windows.map((w) => w.ids)];
    const found = new Map<string, Tensor>();
    const visit: Parameters<typeof eachBlockMoments>[3] = (block, moments) => {
      for (const [name, [ordinary, forget]] of moments) {
        const layers = linearsReading(input, block, name);
        if (layers.length === 0) continue; // out of scope
        const u = tidy(() => keep(scaled(ordinary!, forget!, rank, ridge)));
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
