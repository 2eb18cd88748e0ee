/** @file What a selector is: from the forget set, θ0 and θ0's own text to the weights or directions that may change. */
import type { Window } from "../../eval/windows.ts";
import type { Architecture, LossOf, Parameters, Weights } from "../../models/index.ts";
import type { Eligible } from "../scope.ts";
import type { Directions } from "../writers/factors.ts";
import type { Selected } from "../writers/weights.ts";

export const PER = ["global", "tensor", "row"] as const;
/** Over what the share is taken: all eligible weights · each tensor · whole output neurons (rows), over all tensors. */
export type Per = (typeof PER)[number];

export type SelectInput = {
  readonly arch: Architecture;
  readonly params: Parameters;
  readonly weights: Weights;
  readonly windows: readonly Window[];
  readonly tokens: readonly (readonly number[])[];
  readonly eligible: readonly Eligible[];
  /** What the erasing loss runs in, where not the whole model: `params` know its head. */
  readonly trained?: Architecture | undefined;
  /** The erasing loss at θ0 on windows (by index). */
  readonly lossOf: (members: readonly number[]) => LossOf;
  /** θ0's own samples; drawn on first use. */
  readonly selfTexts: () => Promise<number[][]>;
  /** The same, and those of the texts' kind: what directions are contrasted with. */
  readonly ordinary: () => Promise<number[][]>;
  readonly fraction: number;
  readonly per: Per;
  readonly rank: number;
  readonly ridge: number;
  /** Groups of texts whose directions are contrasted with one another. */
  readonly groups: number;
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((name: string, done: number, total: number) => void) | undefined;
};

type About = {
  readonly name: string;
  readonly summary: string;
  readonly formula: string;
  readonly origin: "paper" | "reconstruction" | "ours";
};

export type Selector = About &
  (
    | { readonly kind: "weights"; readonly select: (input: SelectInput) => Promise<Selected> }
    | { readonly kind: "directions"; readonly select: (input: SelectInput) => Promise<Directions> }
  );
