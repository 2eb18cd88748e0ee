/** @file The values that a patch gives a model's tensors, and whether patch and model belong together. */
import { inputError, type UnreciteError } from "../base/errors.ts";
import { sha256, type ModelSource } from "../io/index.ts";
import { DTYPES, fromBytes, tidy, type Tensor } from "../torch/index.ts";
import { LAYER } from "./adapter.ts";
import { factorBytes, hashFrom } from "./create.ts";
import { scatterBytes } from "./diff.ts";
import { WRITTEN_AGAIN, type OpenPatch } from "./format.ts";
import { decodeGaps } from "./gaps.ts";

type Failure = (message: string, extra: { wayOut: string }) => UnreciteError;

/** Names of the base tensors that a patch changes, sorted. */
export const changedTensors = (patch: OpenPatch): string[] =>
  Object.keys(patch.binding.merged).sort();

/** The bytes of one tensor with the patch on it (`new`) or taken off (`old`), checked against the hash recorded for them. */
export function patchedBytes(
  patch: OpenPatch,
  source: ModelSource,
  name: string,
  values: "new" | "old" = "new",
): Uint8Array {
  const bytes = tidy(() =>
    patch.binding.kind === "factors"
      ? factorBytes(source, name, {
          down: patch.tensor(LAYER.down(layerOf(name))),
          up: patch.tensor(LAYER.up(layerOf(name))),
          transposed: patch.binding.transposed ?? false,
        })
      : rewritten(patch, source, name, values),
  );
  const { merged, base } = patch.binding;
  if (sha256(bytes) === (values === "new" ? merged : base.tensors)[name]) return bytes;
  throw inputError(
    `${patch.path}: ${name}: expected the values that were recorded, got others: the patch is damaged, or made for another model than ${source.spec}`,
    { wayOut: `check both: unrecite patch verify --patch ${patch.path} --model ${source.spec}` },
  );
}

const layerOf = (name: string): string => name.replace(/\.weight$/, "");

function rewritten(
  patch: OpenPatch,
  source: ModelSource,
  name: string,
  values: "new" | "old",
): Uint8Array {
  const given = patch.tensor(`${name}.${values}`).bytes();
  if (!patch.names.includes(`${name}.index`)) return given;
  const stored = source.tensor(name);
  const bytes = stored.bytes();
  const indices = decodeGaps(patch.tensor(`${name}.index`).bytes());
  scatterBytes(bytes, indices, given, DTYPES[stored.dtype].bytes);
  return bytes;
}

/** The patched tensor, for use in memory, in the caller's scope; undefined when the patch does not touch it. */
export function patchedTensor(
  patch: OpenPatch,
  source: ModelSource,
  name: string,
): Tensor | undefined {
  if (!Object.hasOwn(patch.binding.merged, name)) return undefined;
  const { shape, dtype } = source.info(name);
  return fromBytes(patchedBytes(patch, source, name), shape, dtype);
}

/** Refuses a damaged patch. */
export function requireIntact(patch: OpenPatch, fail: Failure = inputError): void {
  if (patch.intact()) return;
  throw fail(
    `${patch.path}: expected an unchanged patch, got one whose content does not match its SHA-256`,
    { wayOut: WRITTEN_AGAIN },
  );
}

/** Refuses a model that the patch was not made for, or does not make the one it names of; `state` says which hashes it should have. */
export async function requireBase(
  patch: OpenPatch,
  source: ModelSource,
  { state = "base", fail = inputError }: { state?: "base" | "merged"; fail?: Failure } = {},
): Promise<void> {
  const { base, merged, result } = patch.binding;
  const after = { ...base.tensors, ...merged };
  const expected = state === "base" ? base.tensors : after;
  const different = (await firstDifference(expected, source)) ?? besideTensors(patch, source);
  if (different !== undefined) {
    const what =
      state === "base" ? "the model this patch was made for" : "the model with this patch applied";
    throw fail(
      `${source.spec}: expected ${what} (${base.model}), got another: ${different} differs`,
      { wayOut: "name that model, or make a patch for this one with erase" },
    );
  }
  if (hashFrom(source, after) === result) return;
  throw fail(`${patch.path}: expected a patch that gives the result it names, got another result`, {
    wayOut: WRITTEN_AGAIN,
  });
}

/** What only the hash of the whole model covers: the same bytes compute something else under another config. */
const besideTensors = ({ binding: { base } }: OpenPatch, source: ModelSource) =>
  hashFrom(source, base.tensors) === base.sha256
    ? undefined
    : "config.json (or a tensor's dtype or shape)";

async function firstDifference(
  expected: Readonly<Record<string, string>>,
  source: ModelSource,
): Promise<string | undefined> {
  const names = [...new Set([...Object.keys(expected), ...source.names])].sort();
  const present = new Set(source.names);
  // names first: they cost nothing
  const odd = names.find((name) => !present.has(name) || !Object.hasOwn(expected, name));
  if (odd !== undefined) return odd;
  for (const name of names) {
    if ((await source.tensorHash(name)) !== expected[name]) return name;
  }
  return undefined;
}
