/** @file What a patch says of itself, whether it is whole, and how to make one that can be shipped. */
import { gateError, inputError } from "../base/errors.ts";
import { openModel, type SafetensorsEntry } from "../io/index.ts";
import { tidy } from "../torch/index.ts";
import { changedTensors, requireBase } from "./apply.ts";
import { openPatch, writePatchFile } from "./format.ts";

export type PatchSummary = {
  kind: "factors" | "sparse";
  values: "full" | "stripped" | "undo";
  path: string;
  sha256: string;
  bytes: number;
  tensors: number;
  changed: number;
  method: string;
  tool: string;
  base: string;
  texts: number;
  settings: Record<string, unknown>;
};

export async function inspectPatch(path: string): Promise<PatchSummary> {
  const patch = await openPatch(path);
  try {
    const { kind, values, method, tool, base, texts, settings, changed } = patch.binding;
    const tensors = changedTensors(patch).length;
    return {
      kind,
      values,
      path,
      sha256: patch.sha256,
      bytes: patch.bytes,
      tensors,
      changed,
      method,
      tool,
      base: base.model,
      texts: texts.length,
      settings,
    };
  } finally {
    patch.close();
  }
}

/** Throws a gate failure (exit 1) for a patch that was changed, or, with a model, for one that does not belong to it. */
export async function verifyPatch({
  patch: path,
  model,
}: {
  patch: string;
  model?: string | undefined;
}): Promise<PatchSummary> {
  const patch = await openPatch(path);
  try {
    if (!patch.intact()) {
      throw gateError(
        `${path}: expected an unchanged patch, got one whose content does not match its SHA-256`,
        { wayOut: "take the patch from where it was written" },
      );
    }
    if (model !== undefined) {
      const source = await openModel(model);
      try {
        await requireBase(patch, source);
      } finally {
        source.close();
      }
    }
  } finally {
    patch.close();
  }
  return inspectPatch(path);
}

/** A sparse patch without old values: the one to ship, since what can be undone holds what was erased. */
export async function stripPatch({
  patch: path,
  out,
}: {
  patch: string;
  out: string;
}): Promise<PatchSummary> {
  const patch = await openPatch(path);
  try {
    if (!patch.intact()) {
      throw inputError(`${path}: expected an unchanged patch, got a tampered one`, {
        wayOut: "take the patch from where it was written",
      });
    }
    if (patch.binding.kind === "factors") {
      throw inputError(`${path}: expected a sparse patch, got factors, which hold no old values`, {
        wayOut: "ship it as it is",
      });
    }
    const entries = patch.names
      .filter((name) => !name.endsWith(".old"))
      .map((name): SafetensorsEntry => {
        const { dtype, shape } = tidy(() => {
          const tensor = patch.tensor(name);
          return { dtype: tensor.dtype, shape: tensor.shape };
        });
        return { name, dtype, shape, bytes: () => tidy(() => patch.tensor(name).bytes()) };
      });
    await writePatchFile(out, entries, { ...patch.binding, values: "stripped" });
  } finally {
    patch.close();
  }
  return inspectPatch(out);
}
