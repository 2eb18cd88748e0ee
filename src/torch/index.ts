/** @file The typed face of LibTorch. Knows no model. Guarded operators come from guarded.ts, never from the raw list. */
export * from "./autograd.ts";
export { call } from "./call.ts";
export * from "./convert.ts";
export * from "./device.ts";
export * from "./dtype.ts";
export * from "./memory.ts";
export { isLoaded } from "./native.ts";
export * from "./ops.public.ts";
export * from "./guarded.ts";
export { disposeAll, keep, tidy, wholeMap } from "./scope.ts";
export { fromBytes, tensor, Tensor } from "./tensor.ts";
