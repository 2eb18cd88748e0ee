/** @file Conversion between element types, and from the host to where computing happens. */
import { computeDevice } from "./device.ts";
import type { DType } from "./dtype.ts";
import { toCopy } from "./ops.generated.ts";
import type { Tensor } from "./tensor.ts";

/** The tensor in `dtype`: itself when it has it already, else a new one. Differentiable. */
export const toDType = (x: Tensor, dtype: DType): Tensor =>
  x.dtype === dtype ? x : toCopy(x, { dtype });

/** The tensor where the process computes, in `dtype`: itself when it is so already, else a new one. */
export const toDevice = (x: Tensor, dtype: DType = x.dtype): Tensor =>
  onDevice(x) ? toDType(x, dtype) : toCopy(x, { dtype, device: computeDevice() });

const onDevice = (x: Tensor): boolean => computeDevice() === "cpu" || x.device !== "cpu";
