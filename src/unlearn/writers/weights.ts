/**
 * @file Writes to chosen weights themselves: masters and moments exist for the selected ones alone, every other weight stays
 * bit-identical. Dense is the case where all are selected. The forward pass sees masters rounded to the compute dtype.
 */
import {
  plainWeights,
  transposedLinears,
  type Architecture,
  type Parameters,
} from "../../models/index.ts";
import {
  add,
  clone,
  detach,
  disposeAll,
  dropPages,
  indexCopy_,
  indexSelect,
  keep,
  linear,
  noGrad,
  requiresGrad,
  reshape,
  sub,
  t,
  tidy,
  toDType,
  view,
  copy_,
  type Tensor,
} from "../../torch/index.ts";
import type { Eligible } from "../scope.ts";
import { leavesByPart } from "./leaves.ts";
import type { Writer } from "./types.ts";

/** Flat indices (int64) of the selected weights of a parameter; null selects all of them. */
export type Selected = ReadonlyMap<string, Tensor | null>;

type Options = { project?: Writer["project"]; disposeProject?: () => void };

/** All weights of the parameters: the dense case. */
export const denseWriter = (
  arch: Architecture,
  params: Parameters,
  eligible: readonly Eligible[],
): Writer =>
  weightsWriter(arch, params, eligible, new Map(eligible.map(({ name }) => [name, null])));

/** Takes ownership of the index tensors. */
export function weightsWriter(
  arch: Architecture,
  params: Parameters,
  eligible: readonly Eligible[],
  selected: Selected,
  { project, disposeProject }: Options = {},
): Writer {
  const written = eligible.filter((e) => selected.has(e.name) && selected.get(e.name)?.size !== 0);
  const { working, masters } = copies(params, written, selected);
  const total = eligible.reduce((sum, e) => sum + params.get(e.name)!.size, 0);
  return {
    kind: "sparse",
    trainable: {
      weights: plainWeights(arch, new Map([...params, ...working])),
      leavesOf: leavesByPart(written, working),
      trainedHead: working.has(arch.head) ? arch.head : undefined,
    },
    beside: besideOf(arch, params, working),
    variables: masters,
    gradient(name, gradient) {
      const index = selected.get(name)!;
      const flat =
        index === null || index === undefined
          ? gradient
          : indexSelect(reshape(gradient, [-1]), 0, index);
      return toDType(flat, "float32");
    },
    project,
    publish: () =>
      noGrad(() =>
        masters.forEach((master, name) =>
          tidy(() => publishOne(detach(working.get(name)!), master, selected.get(name)!)),
        ),
      ),
    merged: (parameter) => {
      const copy = working.get(parameter);
      return copy === undefined
        ? undefined
        : noGrad(() =>
            tidy(() =>
              mergedOne(params.get(parameter)!, masters.get(parameter)!, selected.get(parameter)!),
            ),
          );
    },
    selection: {
      selected: [...masters.values()].reduce((sum, m) => sum + m.size, 0),
      total,
      rank: null,
    },
    dispose() {
      disposeAll([working, masters, [...selected.values()]]);
      disposeProject?.();
    },
  };
}

type Copies = { readonly working: Map<string, Tensor>; readonly masters: Map<string, Tensor> };

/** Of each parameter that is written to: what the forward pass sees, and its selected values as the optimiser moves them. */
function copies(params: Parameters, written: readonly Eligible[], selected: Selected): Copies {
  const working = new Map<string, Tensor>();
  const masters = new Map<string, Tensor>();
  const copyOne = (name: string) => {
    const copy = keep(requiresGrad(clone(params.get(name)!)));
    working.set(name, copy);
    dropPages(params.get(name)!); // not read again before the end
    masters.set(name, keep(masterOf(detach(copy), selected.get(name)!)));
  };
  noGrad(() => written.forEach(({ name }) => tidy(() => copyOne(name))));
  return { working, masters };
}

/** Other weights with the difference from θ0 added to what each layer gives. */
function besideOf(
  arch: Architecture,
  params: Parameters,
  working: ReadonlyMap<string, Tensor>,
): NonNullable<Writer["beside"]> {
  const transposed = transposedLinears(arch);
  const moved = (name: string): Tensor | undefined => {
    const copy = working.get(name);
    return copy && sub(copy, params.get(name)!);
  };
  return (weights) => ({
    get: (name) => working.get(name) ?? weights.get(name),
    linear(name, x) {
      const y = weights.linear(name, x);
      const [weight, bias] = [moved(`${name}.weight`), moved(`${name}.bias`)];
      const shifted = bias === undefined ? y : add(y, bias);
      return weight === undefined
        ? shifted
        : add(shifted, linear(x, transposed.has(name) ? t(weight) : weight));
    },
  });
}

/** The selected values in float32; dense float32 weights are their own master. */
function masterOf(weight: Tensor, index: Tensor | null): Tensor {
  return toDType(index === null ? weight : indexSelect(reshape(weight, [-1]), 0, index), "float32");
}

function publishOne(working: Tensor, master: Tensor, index: Tensor | null): void {
  if (index === null && working.dtype === "float32") return; // one and the same memory
  const rounded = toDType(master, working.dtype);
  if (index === null) copy_(working, rounded);
  else indexCopy_(view(working, [-1]), 0, index, rounded);
}

function mergedOne(base: Tensor, master: Tensor, index: Tensor | null): Tensor {
  if (index === null) return clone(master);
  const out = toDType(clone(base), "float32");
  return reshape(indexCopy_(reshape(out, [-1]), 0, index, master), base.shape);
}
