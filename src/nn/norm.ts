/** @file Normalisation over the last dimension. */
import { layerNorm as layerNormOp, rmsNorm as rmsNormOp, type Tensor } from "../torch/index.ts";

/** x / rms(x) · weight (Zhang & Sennrich 2019); the mean square is taken in float32 for half types. */
export function rmsNorm(x: Tensor, weight: Tensor, { eps }: { eps: number }): Tensor {
  return rmsNormOp(x, [weight.shape[0]!], { weight, eps });
}

/** (x - mean) / std · weight + bias (Ba et al. 2016). */
export function layerNorm(
  x: Tensor,
  weight: Tensor,
  bias: Tensor,
  { eps }: { eps: number },
): Tensor {
  return layerNormOp(x, [weight.shape[0]!], { weight, bias, eps });
}
