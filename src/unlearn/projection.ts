/**
 * @file `--project self`: every step of a weight is moved away from the input directions of the model's own text,
 * step ← step · P, P = (A_s / (λ·mean diag A_s) + I)⁻¹ (METHOD.md section 1c, the full-rank form).
 */
import type { Architecture, Weights } from "../models/index.ts";
import {
  add,
  cholesky,
  choleskyInverse,
  diagonal,
  disposeAll,
  divScalar,
  eye,
  keep,
  matmul,
  mean,
  noGrad,
  tidy,
  wholeMap,
  type Tensor,
} from "../torch/index.ts";
import { eachBlockMoments, type Corpus, type MomentsVisit } from "./select/moments.ts";

export type Projection = { project: (name: string, step: Tensor) => Tensor; dispose: () => void };

export async function selfProjection(
  arch: Architecture,
  w: Weights,
  selfTexts: Corpus,
  {
    ridge,
    signal,
    onBlock,
  }: {
    ridge: number;
    signal?: AbortSignal | undefined;
    onBlock?: (done: number, total: number) => void;
  },
): Promise<Projection> {
  const byInput = await wholeMap<string>((made) => {
    const visit: MomentsVisit = (_, moments) => {
      for (const [input, [ordinary]] of moments) {
        const p = tidy(() => keep(projector(ordinary!, ridge)));
        made.set(input, p);
      }
    };
    return eachBlockMoments(arch, w, [selfTexts], visit, { signal, onBlock });
  });
  const inputOf = new Map(arch.linears.map((l) => [`${l.name}.weight`, l.input]));
  return {
    project: (name, step) => {
      const p = byInput.get(inputOf.get(name) ?? "");
      return p === undefined ? step : noGrad(() => matmul(step, p));
    },
    dispose: () => disposeAll(byInput),
  };
}

function projector(ordinary: Tensor, ridge: number): Tensor {
  const level = ridge * mean(diagonal(ordinary)).item();
  return choleskyInverse(
    cholesky(add(divScalar(ordinary, level), eye(ordinary.shape[0]!, { dtype: "float32" }))),
  );
}
