/** @file Gradients: of chosen inputs (`grad`), accumulated (`backward`, `gradOf`), switched off (`noGrad`, `inference`). */
import { native } from "./native.ts";
import { made, type Tensor } from "./tensor.ts";

type GradOptions = { gradOutputs?: readonly (Tensor | null)[]; retainGraph?: boolean };

const handles = (list: readonly Tensor[]): number[] => list.map((t) => t.handle);
const optional = (list: readonly (Tensor | null)[] | undefined) =>
  list?.map((t) => t?.handle ?? null) ?? null;

/** d(Σ outputs · gradOutputs)/d inputs; null for an input that the outputs do not depend on. */
export function grad(
  outputs: readonly Tensor[],
  inputs: readonly Tensor[],
  { gradOutputs, retainGraph = false }: GradOptions = {},
): (Tensor | null)[] {
  return native()
    .grad(handles(outputs), handles(inputs), optional(gradOutputs), retainGraph)
    .map((h) => (h === null ? null : made(h)));
}

/** Adds d(outputs)/d(leaf) to the `.grad` of every leaf. */
export function backward(
  outputs: readonly Tensor[],
  { gradOutputs, retainGraph = false }: GradOptions = {},
): void {
  native().backward(handles(outputs), optional(gradOutputs), retainGraph);
}

/** The accumulated gradient of a leaf, or null. */
export function gradOf(tensor: Tensor): Tensor | null {
  const handle = native().gradOf(tensor.handle);
  return handle === null ? null : made(handle);
}

export const clearGrad = (tensor: Tensor): void => native().clearGrad(tensor.handle);

/** Marks a leaf as wanting gradients, and returns it. */
export function requiresGrad(tensor: Tensor, flag = true): Tensor {
  native().requireGrad(tensor.handle, flag);
  return tensor;
}

/** Runs a synchronous function without recording a graph. */
export function noGrad<T>(fn: () => T): T {
  const before = native().setGradMode(false);
  try {
    return synchronous("noGrad", fn());
  } finally {
    native().setGradMode(before);
  }
}

/** As noGrad, and its tensors can never enter a graph: a little faster, for generation. */
export function inference<T>(fn: () => T): T {
  native().pushInference();
  try {
    return synchronous("inference", fn());
  } finally {
    native().popInference();
  }
}

// The mode is a property of the thread: an await inside would leak it into other tasks.
function synchronous<T>(where: string, value: T): T {
  if (value instanceof Promise) {
    throw new TypeError(`${where}: expected a synchronous function, got a promise`);
  }
  return value;
}
