/** @file What erase writes: the patch, and on request the merged model; made so that reading it back gives the same weights. */
import { statSync } from "node:fs";
import { join } from "node:path";
import type { EraseResult } from "../eval/index.ts";
import { writeCheckpoint } from "../io/index.ts";
import { plainWeights, SOFT_PROMPT, type Model, type Served } from "../models/index.ts";
import {
  actsWhenRun,
  applyPatch,
  openPatch,
  patchedTensor,
  servePatch,
  writeFactors,
  writeServed,
  writeSparse,
  type Factor,
  type PatchInfo,
} from "../patch/index.ts";
import { ADAPTER_CONFIG, ADAPTER_FILE } from "../patch/format.ts";
import { disposeAll, keep, tidy, toDevice, type DType, type Tensor } from "../torch/index.ts";
import type { LoopOutcome } from "../unlearn/erase-loop.ts";
import type { MethodSettings } from "../unlearn/methods/index.ts";
import type { Prepared } from "../unlearn/prepare.ts";
import type { FactorsWriter } from "../unlearn/writers/factors.ts";
import type { EraseValues } from "./erase.ts";
import type { RunFiles } from "./run-files.ts";
import { toolVersion } from "./session.ts";
import type { TextSet } from "./sets.ts";

export type Outputs = {
  patch: EraseResult["patch"];
  out: string | null;
  /** The base model with the written patch on it, in memory. */
  patchedWeights: () => Promise<Served>;
};

type Input = {
  values: EraseValues;
  settings: MethodSettings;
  outcome: LoopOutcome;
  prepared: Prepared;
  measured: Model;
  sets: TextSet;
  files: RunFiles | undefined;
};

export async function writeOutputs({
  values,
  settings,
  outcome,
  prepared,
  measured,
  sets,
  files,
}: Input): Promise<Outputs> {
  const written = outcome.status === "erased" || outcome.status === "incomplete";
  const path = values.patchOut ?? files?.patch(prepared.writer.kind);
  if (!written || path === undefined) {
    return {
      patch: null,
      out: null,
      patchedWeights: () => Promise.resolve({ ...measured, dispose: () => undefined }),
    };
  }
  const about = {
    tool: toolVersion(),
    method: values.method,
    settings: { ...settings, seed: values.seed },
    texts: sets.contents.map((c) => files?.hashText(c) ?? ""),
    base: { model: values.model, tokenizer: measured.tokenizer.sha256 },
  };
  const info = await writePatch(path, values, prepared, measured, about);
  const bytes =
    info.kind === "factors"
      ? [ADAPTER_FILE, ADAPTER_CONFIG].reduce((n, f) => n + statSync(join(path, f)).size, 0)
      : statSync(path).size;
  const patch = { kind: info.kind, path, sha256: info.sha256, bytes, changed: info.changed };
  if (values.out !== undefined) await writeMerged(values.out, values, path, measured);
  return { patch, out: values.out ?? null, patchedWeights: () => patchedWeights(path, measured) };
}

type About = Parameters<typeof writeSparse>[3];

function writePatch(
  path: string,
  values: EraseValues,
  prepared: Prepared,
  measured: Model,
  about: About,
): Promise<PatchInfo> {
  const { writer } = prepared;
  const dtype = values.patchDtype as DType;
  if (writer.kind === "sparse") {
    return writeSparse(path, measured.source, (name) => writer.merged(name), about);
  }
  if (writer.kind === "prompt") {
    const tensors = new Map([[SOFT_PROMPT, writer.variables.get(SOFT_PROMPT)!]]);
    return writeServed(path, measured.source, "prompt", tensors, about, { dtype });
  }
  const { directions, factors } = writer as FactorsWriter;
  const pairs = new Map<string, Factor>(
    [...factors].map(([name, b]) => [name, { u: directions.get(name)!, b }]),
  );
  return writeFactors(path, measured.source, pairs, about, {
    dtype,
    transposed: measured.arch.linears.some((layer) => layer.transposed === true),
  });
}

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

/** The base model as it runs under the patch: patched tensors in their place, or what acts at run time around it. */
export async function patchedWeights(path: string, base: Model): Promise<Served> {
  const patch = await openPatch(path);
  try {
    if (actsWhenRun(patch.binding.kind)) return await servePatch(patch, base);
    const changed = new Map<string, Tensor>();
    for (const name of base.params.keys()) {
      tidy(() => {
        const value = patchedTensor(patch, base.source, name);
        if (value === undefined) return;
        changed.set(name, keep(toDevice(value, base.dtype)));
      });
    }
    return {
      arch: base.arch,
      weights: plainWeights(base.arch, new Map([...base.params, ...changed])),
      dispose: () => disposeAll(changed),
    };
  } finally {
    patch.close();
  }
}
