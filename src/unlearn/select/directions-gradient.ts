/** @file Contrastive directions by gradient (METHOD.md section 1c, b): where the erasing loss pushes and ordinary text is quiet. */
import { transposedLinears } from "../../models/index.ts";
import {
  div,
  disposeAll,
  keep,
  matmul,
  t,
  tidy,
  vectorNorm,
  wholeMap,
  type Tensor,
} from "../../torch/index.ts";
import { erasingGradients } from "./gradients.ts";
import { linearsReading } from "./directions.ts";
import { eachBlockMoments, type MomentsVisit } from "./moments.ts";
import { leadingDirections, unwhiten, whitener } from "./subspace.ts";
import type { Selector } from "./types.ts";

/** V = leading right singular vectors of G L⁻ᵀ, G = ∇W of the erasing loss at θ0; U = L⁻ᵀ V with unit columns, per layer. */
export const directionsGradient: Selector = {
  name: "directions-gradient",
  summary: "input directions of the erasing gradient that the model's own text does not use",
  formula: "U = L⁻ᵀ V with unit columns, V leading right singular vectors of G L⁻ᵀ",
  origin: "ours",
  kind: "directions",
  async select(input) {
    const { arch, weights, rank, ridge, signal } = input;
    const texts = await input.ordinary();
    const matrices = input.eligible.filter((e) =>
      arch.linears.some((l) => `${l.name}.weight` === e.name),
    );
    const gradients = await erasingGradients({ ...input, eligible: matrices });
    const transposed = transposedLinears(arch);
    const columnsOf = (layer: string, ordinary: Tensor) => {
      const stored = gradients.get(`${layer}.weight`)!;
      return unitColumns(ordinary, transposed.has(layer) ? t(stored) : stored, rank, ridge);
    };
    try {
      return await wholeMap<string>((found) => {
        const visit: MomentsVisit = (_, moments) => {
          for (const [name, [ordinary]] of moments) {
            for (const layer of linearsReading(input, name)) {
              const u = tidy(() => keep(columnsOf(layer, ordinary!)));
              found.set(layer, u);
            }
          }
        };
        return eachBlockMoments(arch, weights, [texts], visit, {
          wanted: (name) => linearsReading(input, name).length > 0,
          signal,
          onBlock: (done, total) => input.onProgress?.("directions", done, total),
        });
      });
    } finally {
      disposeAll(gradients);
    }
  },
};

function unitColumns(ordinary: Tensor, gradient: Tensor, rank: number, ridge: number): Tensor {
  const l = whitener(ordinary, ridge);
  const { vectors } = leadingDirections(
    l,
    (x) => matmul(t(gradient), matmul(gradient, x)),
    Math.min(rank, ...gradient.shape),
  );
  const u = unwhiten(l, vectors);
  return div(u, vectorNorm(u, { dim: [0], keepdim: true })); // (d, r)
}
