/** @file Contrastive directions by activation (METHOD.md section 1c, a): what only the recited texts excite. */
import type { Window } from "../../eval/windows.ts";
import {
  add,
  cat,
  clamp,
  keep,
  matmul,
  mul,
  mulScalar,
  powScalar,
  sub,
  tidy,
  unsqueeze,
  wholeMap,
  type Tensor,
} from "../../torch/index.ts";
import { eachBlockMoments, type Corpus, type MomentsVisit } from "./moments.ts";
import { leadingDirections, unwhiten, whitener } from "./subspace.ts";
import type { SelectInput, Selector } from "./types.ts";

/** Share of the largest e below which a direction is not blown up to RMS 1: the texts hardly excite it, or only rounding does. */
const FAINT = 1e-4;

/**
 * V = leading eigenvectors of L⁻¹ A_f L⁻ᵀ, L Lᵀ = A_s + λ·mean(diag A_s)·I, U = L⁻ᵀ V diag(e)^-½: each direction has RMS 1 on
 * the forget set (less where the set excites it 10,000 times less than the leading one: a short text has fewer directions than are
 * asked for), and e says how much more the forget set excites it than ordinary text does. One U per input of a block.
 *
 * With k groups of texts each has an equal share of the directions, and the other groups count as ordinary text:
 * A_g for A_f, A_s + mean of A_h over h ≠ g for A_s. What all recited texts excite alike belongs to the texts that shall be kept too,
 * and is left alone. Limit: one group gives the formula above.
 */
export const directions: Selector = {
  name: "directions",
  summary: "input directions that the forget set excites and the model's own text does not",
  formula: "U = L⁻ᵀ V e^-½, (V, e) leading eigenpairs of L⁻¹ A_f L⁻ᵀ",
  origin: "ours",
  kind: "directions",
  async select(input) {
    const { arch, weights, windows, rank, ridge, signal } = input;
    const corpora = [await input.ordinary(), ...groupsOf(windows, Math.min(input.groups, rank))];
    return wholeMap<string>((found) => {
      const visit: MomentsVisit = (_, moments) => {
        for (const [name, [ordinary, ...groups]] of moments) {
          const u = tidy(() => keep(groupedDirections(ordinary!, groups, rank, ridge)));
          for (const l of linearsReading(input, name)) found.set(l, u);
        }
      };
      return eachBlockMoments(arch, weights, corpora, visit, {
        wanted: (name) => linearsReading(input, name).length > 0,
        signal,
        onBlock: (done, total) => input.onProgress?.("directions", done, total),
      });
    });
  },
};

/** The ids of whole texts in `count` groups, in the order given, as evenly as they go. */
export function groupsOf(windows: readonly Window[], count: number): Corpus[] {
  const texts = [...new Set(windows.map((w) => w.text))];
  const groups = Math.min(count, texts.length);
  const groupOf = new Map(texts.map((text, i) => [text, Math.floor((i * groups) / texts.length)]));
  return Array.from({ length: groups }, (_, g) =>
    windows.filter((w) => groupOf.get(w.text) === g).map((w) => w.ids),
  );
}

/** U (d, r) from moments (d, d) of ordinary text and of each group; each group has its columns beside one another. */
export function groupedDirections(
  ordinary: Tensor,
  groups: readonly Tensor[],
  rank: number,
  ridge: number,
): Tensor {
  const most = Math.min(rank, ordinary.shape[0]!);
  const count = groups.length;
  const bound = (g: number) => Math.floor((g * most) / count);
  const all = groups.reduce((sum, x) => add(sum, x));
  const parts = groups.map((own, g) =>
    tidy(() => {
      const quiet =
        count === 1 ? ordinary : add(ordinary, mulScalar(sub(all, own), 1 / (count - 1)));
      return scaled(quiet, own, bound(g + 1) - bound(g), ridge);
    }),
  );
  return cat(parts, { dim: 1 });
}

function scaled(ordinary: Tensor, forget: Tensor, rank: number, ridge: number): Tensor {
  const l = whitener(ordinary, ridge);
  const { vectors, values } = leadingDirections(l, (x) => matmul(forget, x), rank);
  const [largest = 0] = values.toFloats(); // none where there are more groups than directions
  const faintest = Math.max(1e-12, FAINT * largest);
  const inverseRoot = powScalar(clamp(values, { min: faintest }), -0.5); // (r)
  return mul(unwhiten(l, vectors), unsqueeze(inverseRoot, 0)); // (d, r)
}

/** The linear layers in scope that read an input. */
export function linearsReading({ arch, eligible }: SelectInput, input: string): string[] {
  const inScope = new Set(eligible.map((e) => e.name));
  return arch.linears
    .filter((l) => l.input === input && inScope.has(`${l.name}.weight`))
    .map((l) => l.name);
}
