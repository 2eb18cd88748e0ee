/** @file Conversion between element types. */
import type { DType } from "./dtype.ts";
import { toCopy } from "./ops.generated.ts";
import type { Tensor } from "./tensor.ts";

/** The tensor in `dtype`: itself when it has it already, else a new one. Differentiable. */
export const toDType = (x: Tensor, dtype: DType): Tensor =>
  x.dtype === dtype ? x : toCopy(x, { dtype });
