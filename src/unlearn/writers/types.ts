/** @file Where an eraser writes: what is optimised, how it reaches the forward pass, what the merged weights are. */
import type { Trainable, Weights } from "../../models/index.ts";
import type { PatchInfo } from "../../patch/index.ts";
import type { Tensor } from "../../torch/index.ts";

export type Writer = {
  readonly kind: PatchInfo["kind"];
  readonly trainable: Trainable;
  /** What is written, as it acts beside weights other than θ0's; absent where it cannot be told from them. */
  readonly beside?: ((base: Weights) => Weights) | undefined;
  /** What the optimiser moves: float32, one per leaf, by the leaf's name. */
  readonly variables: ReadonlyMap<string, Tensor>;
  /** The gradient of a leaf, in the shape of its variable. */
  readonly gradient: (leaf: string, gradient: Tensor) => Tensor;
  /** Maps an optimiser's step on a variable to the step that is taken; absent: as it is. */
  readonly project?: ((name: string, step: Tensor) => Tensor) | undefined;
  /** Makes the forward pass see the variables; called after every step. */
  readonly publish: () => void;
  /** The changed value of a parameter, float32; undefined when it is not written to. */
  readonly merged: (parameter: string) => Tensor | undefined;
  /** Share of what could have been changed, for every result. */
  readonly selection: {
    /** What was trained, where no selector chose it. */
    readonly metric?: string;
    readonly selected: number;
    readonly total: number;
    readonly rank: number | null;
  };
  readonly dispose: () => void;
};
