/**
 * @file Patches that hold a rule on logits: its strength and, where it compares with a reinforced model, what makes that model of
 * the base: factors or changed weights, as in patches that are merged, checked against the hash of every tensor they make.
 */
import { inputError } from "../base/errors.ts";
import type { ModelSource } from "../io/index.ts";
import {
  contrastedHead,
  dpHead,
  paired,
  plainWeights,
  type Model,
  type RuleName,
  type Served,
  type Weights,
} from "../models/index.ts";
import { disposeAll, keep, tidy, toDevice, type DType, type Tensor } from "../torch/index.ts";
import type { Binding } from "./binding.ts";
import { addFactors, addSparse, bindingOf, type About, type Factor } from "./create.ts";
import type { PatchInfo } from "./create.ts";
import { WRITTEN_AGAIN, type OpenPatch } from "./format.ts";
import { patchedTensor } from "./patched.ts";
import { writePatchFile } from "./write.ts";

/** What makes the reinforced model of its base. */
export type Reinforced =
  | { kind: "factors"; factors: ReadonlyMap<string, Factor>; transposed: boolean }
  | { kind: "sparse"; merged: (name: string) => Tensor | undefined };

type Rule = { rule: RuleName; strength: number; reinforced?: Reinforced | undefined };

/** Writes the file of a decoding rule. */
export async function writeDecoding(
  file: string,
  source: ModelSource,
  { rule, strength, reinforced }: Rule,
  about: About,
  { dtype = "float32" }: { dtype?: DType } = {},
): Promise<PatchInfo> {
  const sha256 = await writePatchFile(file, async (add) => {
    const of = { rule, strength };
    const binding = await bindingOf(source, "decoding", about, { merged: {}, changed: 0 });
    if (reinforced === undefined) return { ...binding, decoding: of };
    const { kind } = reinforced;
    const transposed = kind === "factors" && reinforced.transposed;
    const { merged } =
      kind === "factors"
        ? await addFactors(add, source, reinforced.factors, { dtype, transposed })
        : await addSparse(add, source, reinforced.merged, ["new"]);
    const made = { kind, merged, ...(transposed && { transposed }) };
    return { ...binding, decoding: { ...of, reinforced: made } };
  });
  return { kind: "decoding", path: file, sha256, changed: 0 };
}

/** The reinforced model as if its patch stood alone; the patch itself where it holds none. */
export function reinforcedIn(patch: OpenPatch): OpenPatch {
  const { reinforced } = patch.binding.decoding ?? {};
  if (reinforced === undefined) return patch;
  return { ...patch, binding: { ...patch.binding, ...reinforced } };
}

/** The base model under the rule; with two models at once where the rule compares. */
export function serveDecoding(patch: OpenPatch, base: Model): Served {
  const { rule, strength } = ruleIn(patch);
  const { arch } = base;
  const plain = plainWeights(arch, base.params);
  const under = (logits: Weights["logits"]): Weights => ({ ...plain, logits });
  const at = () => strength;
  if (rule === "dp_decoding") {
    return { arch, weights: under(dpHead(arch, plain, at)), dispose: () => undefined };
  }
  const changed = changedParameters(reinforcedIn(patch), base);
  const beside = plainWeights(arch, new Map([...base.params, ...changed]));
  return {
    arch: paired(arch, beside),
    weights: under(contrastedHead(arch, plain, beside, at)),
    dispose: () => disposeAll(changed),
  };
}

/** The tensors that a patch changes, in the dtype the model is used in; the caller's. */
export function changedParameters(patch: OpenPatch, base: Model): Map<string, Tensor> {
  const changed = new Map<string, Tensor>();
  try {
    for (const name of base.params.keys()) {
      tidy(() => {
        const value = patchedTensor(patch, base.source, name);
        if (value !== undefined) changed.set(name, keep(toDevice(value, base.dtype)));
      });
    }
  } catch (error) {
    disposeAll(changed);
    throw error;
  }
  return changed;
}

function ruleIn({ path, binding: { decoding } }: OpenPatch): NonNullable<Binding["decoding"]> {
  if (decoding !== undefined) return decoding;
  throw inputError(`${path}: expected a decoding rule, got a patch without it`, {
    wayOut: WRITTEN_AGAIN,
  });
}
