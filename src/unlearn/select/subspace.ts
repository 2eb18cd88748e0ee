/**
 * @file Contrastive directions: where the forget set excites a layer's input more than ordinary text does. The leading
 * eigenvectors of L⁻¹ M L⁻ᵀ, L Lᵀ = A_s + λ·mean(diag A_s)·I, by subspace iteration: a few products, no full eigensystem.
 */
import {
  add,
  add_,
  cholesky,
  diagonal,
  divScalar,
  eigh,
  eye,
  flip,
  manualSeed,
  matmul,
  mean,
  mulScalar,
  narrow,
  noGrad,
  qr,
  randn,
  solveTriangular,
  t,
  tidy,
  type Tensor,
} from "../../torch/index.ts";

const ITERATIONS = 12;
const OVERSAMPLING = 16;

/** Lower Cholesky factor of A + λ·mean(diag A)·I; A (d, d). */
export function whitener(ordinary: Tensor, ridge: number): Tensor {
  return tidy(() => {
    const level = mulScalar(mean(diagonal(ordinary)), ridge);
    const identity = eye(ordinary.shape[0]!, { dtype: ordinary.dtype });
    return cholesky(
      add(ordinary, add(mulScalar(identity, level.item()), mulScalar(identity, 1e-12))),
    );
  });
}

/** L⁻¹ x and L⁻ᵀ x. */
const solveL = (l: Tensor, x: Tensor): Tensor => solveTriangular(l, x, false);
const solveLt = (l: Tensor, x: Tensor): Tensor => solveTriangular(t(l), x, true);

/**
 * The `rank` leading eigenvectors V (d, r) of L⁻¹ M L⁻ᵀ and their eigenvalues e (r), largest first; `apply` multiplies by M,
 * symmetric and positive semi-definite. Deterministic: the start is drawn from a fixed seed.
 */
export function leadingDirections(
  l: Tensor,
  apply: (x: Tensor) => Tensor,
  rank: number,
): { vectors: Tensor; values: Tensor } {
  return noGrad(() =>
    tidy(() => {
      const d = l.shape[0]!;
      const width = Math.min(d, rank + OVERSAMPLING);
      const step = (q: Tensor) => solveL(l, apply(solveLt(l, q)));
      manualSeed(20240809);
      let q = orthonormal(randn([d, width], { dtype: l.dtype }));
      for (let i = 0; i < ITERATIONS; i++) {
        const before = q;
        q = tidy(() => orthonormal(step(before)));
        before.dispose();
      }
      const small = matmul(t(q), step(q)); // (w, w)
      const [values, vectors] = eigh(divScalar(add(small, t(small)), 2)); // ascending
      const top = (x: Tensor, dim: number) => flip(narrow(x, dim, width - rank, rank), [dim]);
      return { vectors: matmul(q, top(vectors, 1)), values: top(values, 0) };
    }),
  );
}

const orthonormal = (x: Tensor): Tensor => qr(x)[0];

/** L⁻ᵀ V: directions as the layer's input sees them. */
export const unwhiten = (l: Tensor, vectors: Tensor): Tensor => solveLt(l, vectors);

/** Adds xᵀx of rows x (…, d) to a sum (d, d). */
export function addMoment_(sum: Tensor, x: Tensor): void {
  add_(sum, matmul(t(x), x));
}
