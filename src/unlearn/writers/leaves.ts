/** @file The tensors that a backward pass is asked for, by the part of the model that holds them. */
import type { Leaf, Part } from "../../models/index.ts";
import type { Tensor } from "../../torch/index.ts";
import type { Eligible } from "../scope.ts";

/** The tensor of each parameter or layer, in the order given. */
export function leavesByPart(
  written: readonly Pick<Eligible, "name" | "part">[],
  tensors: ReadonlyMap<string, Tensor>,
): (part: Part) => readonly Leaf[] {
  const leaves = new Map<Part, Leaf[]>();
  for (const { name, part } of written) {
    leaves.set(part, [...(leaves.get(part) ?? []), { name, tensor: tensors.get(name)! }]);
  }
  return (part) => leaves.get(part) ?? [];
}
