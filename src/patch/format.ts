/** @file Opens a patch, an adapter directory or a single file, and knows whether it is as it was written. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { inputError } from "../base/errors.ts";
import { readError, openCheckpointFile, sha256OfTensor } from "../io/index.ts";
import { tidy, type Tensor } from "../torch/index.ts";
import { INTEGRITY_KEY, isIntact, parseBinding, type Binding } from "./binding.ts";

export const ADAPTER_FILE = "adapter_model.safetensors";
export const ADAPTER_CONFIG = "adapter_config.json";

export const WRITTEN_AGAIN = "take the patch from where it was written";

export type OpenPatch = {
  readonly path: string;
  readonly binding: Binding;
  readonly names: readonly string[];
  readonly bytes: number;
  tensor(name: string): Tensor;
  /** Whether contents and metadata are those that were written. */
  readonly intact: () => boolean;
  /** SHA-256 of the whole content, as recorded in it. */
  readonly sha256: string;
  close(): void;
};

/** The safetensors file of the patch at `path`. */
export function patchFile(path: string): string {
  const folder = existsSync(path) && statSync(path).isDirectory();
  const file = folder ? join(path, ADAPTER_FILE) : path;
  if (existsSync(file)) return file;
  throw inputError(
    `${path}: expected a patch (a file or an adapter directory), got ${folder ? `a folder without ${ADAPTER_FILE}` : "nothing there"}`,
    { wayOut: "name what erase wrote, for example runs/<id>/patch" },
  );
}

/** Opens an adapter directory or a sparse patch file. */
export async function openPatch(path: string): Promise<OpenPatch> {
  const file = patchFile(path);
  const beside = file === path ? [] : [besideText(join(path, ADAPTER_CONFIG))];
  const opened = await openCheckpointFile(file);
  try {
    const binding = parseBinding(path, opened.metadata);
    const stored = opened.metadata[INTEGRITY_KEY] ?? "";
    const names = [...opened.names].sort();
    const known = new Set(names);
    const tensor = (name: string): Tensor => {
      if (known.has(name)) return opened.tensor(name);
      throw inputError(`${path}: expected a tensor ${name}, got a patch without it`, {
        wayOut: WRITTEN_AGAIN,
      });
    };
    const digest = (name: string) =>
      tidy(() => {
        const t = tensor(name);
        return { name, dtype: t.dtype, shape: t.shape, sha256: sha256OfTensor(t) };
      });
    return {
      path,
      binding,
      names,
      bytes: statSync(file).size + beside.reduce((sum, text) => sum + Buffer.byteLength(text), 0),
      tensor,
      intact: () => isIntact(opened.metadata, beside, names.map(digest)),
      sha256: stored,
      close: () => opened.close(),
    };
  } catch (error) {
    opened.close();
    throw error;
  }
}

function besideText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw readError(error, path, "the configuration beside the factors", WRITTEN_AGAIN);
  }
}
