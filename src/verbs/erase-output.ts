/** @file What erase writes: the patch, and on request the merged model; made so that reading it back gives the same weights. */
import { randomBytes } from "node:crypto";
import { rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { saltedSha256, writeCheckpoint } from "../io/index.ts";
import type { Architecture, Model, Served } from "../models/index.ts";
import {
  applyPatch,
  openPatch,
  patchedTensor,
  servePatch,
  writeDecoding,
  writeFactors,
  writePrompt,
  writeSparse,
  type Factor,
  type PatchInfo,
  type Reinforced,
} from "../patch/index.ts";
import { ADAPTER_CONFIG, ADAPTER_FILE } from "../patch/format.ts";
import type { DType } from "../torch/index.ts";
import type { LoopOutcome } from "../unlearn/loop-types.ts";
import type { MethodSettings } from "../unlearn/methods/index.ts";
import type { Prepared } from "../unlearn/prepare.ts";
import type { DecodingWriter } from "../unlearn/writers/decoding.ts";
import type { FactorsWriter } from "../unlearn/writers/factors.ts";
import type { PromptWriter } from "../unlearn/writers/prompt.ts";
import type { Writer } from "../unlearn/writers/types.ts";
import { writeTo } from "./erase-places.ts";
import type { EraseHooks, EraseValues, Outputs, RunFiles } from "./erase-types.ts";
import { sayLeftOut } from "./left-out.ts";
import { toolVersion } from "./session.ts";
import type { TextSet } from "./sets.ts";

type Input = {
  values: EraseValues;
  settings: MethodSettings;
  outcome: LoopOutcome;
  prepared: Prepared;
  measured: Model;
  sets: TextSet;
  files: RunFiles | undefined;
  onEvent: EraseHooks["onEvent"];
};

export async function writeOutputs({
  values,
  settings,
  outcome,
  prepared,
  measured,
  sets,
  files,
  onEvent,
}: Input): Promise<Outputs> {
  const written = outcome.status === "erased" || outcome.status === "incomplete";
  const path = values.patchOut ?? files?.patch(prepared.writer.kind);
  if (!written) removeEarlier([path, values.out], files);
  if (!written || path === undefined) {
    const { arch, writer } = prepared;
    // with no place to write to, what was reached is measured where it is, in the dtype it was trained in
    const served = written ? { arch, weights: writer.trainable.weights } : measured;
    const patchedWeights = () => Promise.resolve({ ...served, dispose: () => undefined });
    return { patch: null, out: null, patchedWeights };
  }
  // without a run nobody keeps the salt: the patch says how many texts it is of, and nothing of them
  const hashText = files?.hashText ?? saltedSha256(randomBytes(32));
  const about = {
    tool: toolVersion(),
    method: values.method,
    settings: { ...settings, seed: values.seed },
    texts: sets.contents.map((c) => hashText(c)),
    base: { model: values.model, tokenizer: measured.tokenizer.sha256 },
  };
  const kind = prepared.writer.kind === "factors" ? "folder" : "file";
  const info = await writeTo({ path, kind }, files, () =>
    writePatch(path, values, prepared, measured, about),
  );
  const bytes =
    info.kind === "factors"
      ? [ADAPTER_FILE, ADAPTER_CONFIG].reduce((n, f) => n + statSync(join(path, f)).size, 0)
      : statSync(path).size;
  const patch = { kind: info.kind, path, sha256: info.sha256, bytes, changed: info.changed };
  const { out } = values;
  if (out !== undefined) {
    const merge = () => writeMerged(out, values, path, measured);
    await writeTo({ path: out, kind: "folder" }, files, merge);
    sayLeftOut(measured.source, onEvent);
  }
  return { patch, out: out ?? null, patchedWeights: () => patchedWeights(path, measured) };
}

/** What an earlier attempt of this run wrote: where nothing was forgotten now, nothing stands there. */
function removeEarlier(paths: readonly (string | undefined)[], files: RunFiles | undefined): void {
  for (const path of paths) {
    if (path !== undefined && files?.owns(path) === true) {
      rmSync(path, { recursive: true, force: true });
    }
  }
}

type About = Parameters<typeof writeSparse>[3];

/** Writes what a method changed, in the form that its writer has. */
export function writePatch(
  path: string,
  values: Pick<EraseValues, "patchDtype">,
  { writer }: Pick<Prepared, "writer">,
  { arch, source }: Model,
  about: About,
): Promise<PatchInfo> {
  const dtype = values.patchDtype as DType;
  switch (writer.kind) {
    case "sparse":
      return writeSparse(path, source, (name) => writer.merged(name), about);
    case "factors": {
      const transposed = isTransposed(arch);
      return writeFactors(path, source, pairsOf(writer), about, { dtype, transposed });
    }
    case "prompt":
      return writePrompt(path, source, (writer as PromptWriter).prompt, about, { dtype });
    case "decoding": {
      const { rule, strength, reinforced: change } = writer as DecodingWriter;
      const reinforced = change && changeOf(change, arch);
      const of = { rule, strength: strength(), reinforced };
      return writeDecoding(path, source, of, about, { dtype });
    }
  }
}

const isTransposed = (arch: Architecture): boolean =>
  arch.linears.some((layer) => layer.transposed === true);

/** The factors of a writer in few directions, by layer. */
function pairsOf(writer: Writer): ReadonlyMap<string, Factor> {
  const { directions, factors } = writer as FactorsWriter;
  return new Map([...factors].map(([name, b]) => [name, { u: directions.get(name)!, b }]));
}

/** What a writer to weights changed, for a patch that keeps it beside the base. */
const changeOf = (writer: Writer, arch: Architecture): Reinforced =>
  writer.kind === "factors"
    ? { kind: "factors", factors: pairsOf(writer), transposed: isTransposed(arch) }
    : { kind: "sparse", merged: (name) => writer.merged(name) };

async function writeMerged(
  out: string,
  values: EraseValues,
  patch: string,
  measured: Model,
): Promise<void> {
  if (values.outDtype === undefined) {
    await applyPatch({ model: values.model, patch, out });
    return;
  }
  const patched = await openPatch(patch);
  try {
    await writeCheckpoint(out, measured.source, {
      tensor: (name) => patchedTensor(patched, measured.source, name),
      dtype: values.outDtype as DType,
    });
  } finally {
    patched.close();
  }
}

/** The base model as it runs under the patch at `path`. */
export async function patchedWeights(path: string, base: Model): Promise<Served> {
  const patch = await openPatch(path);
  try {
    return await servePatch(patch, base);
  } finally {
    patch.close();
  }
}
