/** @file From a score per weight to the selected weights: the k share, over all, per tensor, or by whole output rows. */
import {
  add,
  arange,
  disposeAll,
  keep,
  mulScalar,
  reshape,
  sumDim,
  tidy,
  unsqueeze,
  type Tensor,
} from "../../torch/index.ts";
import type { Selected } from "../writers/weights.ts";
import { topIndices } from "./top-k.ts";
import type { Per } from "./types.ts";

/** Selects and disposes the scores. */
export function selectByScore(
  scores: Map<string, Tensor>,
  { fraction, per }: { fraction: number; per: Per },
): Selected {
  try {
    if (per === "row") return byRows(scores, fraction);
    if (per === "tensor") {
      return new Map(
        [...scores].map(([name, score]) => [
          name,
          topIndices(new Map([[name, score]]), shareOf(score.size, fraction)).get(name)!,
        ]),
      );
    }
    const total = [...scores.values()].reduce((sum, s) => sum + s.size, 0);
    return topIndices(scores, shareOf(total, fraction));
  } finally {
    disposeAll(scores);
  }
}

const shareOf = (size: number, fraction: number): number =>
  Math.max(1, Math.round(size * fraction));

/** Rows of matrices by their mean score; vectors are left alone. */
function byRows(scores: Map<string, Tensor>, fraction: number): Selected {
  const matrices = [...scores].filter(([, s]) => s.shape.length === 2);
  const rows = new Map(
    matrices.map(([name, s]) => [
      name,
      tidy(() => keep(mulScalar(sumDim(s, [1]), 1 / s.shape[1]!))),
    ]),
  );
  const chosen = topIndices(
    rows,
    shareOf(
      [...rows.values()].reduce((sum, r) => sum + r.size, 0),
      fraction,
    ),
  );
  disposeAll(rows);
  const out = new Map<string, Tensor>();
  for (const [name, s] of matrices) {
    const width = s.shape[1]!;
    const index = chosen.get(name)!;
    out.set(
      name,
      tidy(() =>
        keep(
          reshape(
            add(unsqueeze(mulScalar(index, width), 1), arange(0, width, { dtype: "int64" })),
            [-1],
          ),
        ),
      ),
    );
    index.dispose();
  }
  return out;
}
