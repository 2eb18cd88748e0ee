/** @file Reads and writes the files of a patch: adapter directory or single file; metadata, tensors, hash of it all. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { inputError } from "../base/errors.ts";
import {
  openCheckpointFile,
  writeFileAtomic,
  writeSafetensors,
  type SafetensorsEntry,
} from "../io/index.ts";
import { tidy, type Tensor } from "../torch/index.ts";
import { INTEGRITY_KEY, integrity, METADATA_KEY, parseBinding, type Binding } from "./binding.ts";

export const ADAPTER_FILE = "adapter_model.safetensors";
export const ADAPTER_CONFIG = "adapter_config.json";

export type OpenPatch = {
  readonly path: string;
  readonly binding: Binding;
  readonly names: readonly string[];
  readonly bytes: number;
  tensor(name: string): Tensor;
  /** Whether contents and metadata are those that were written. */
  readonly intact: () => boolean;
  /** SHA-256 of the whole content. */
  readonly sha256: string;
  close(): void;
};

/** Opens an adapter directory or a sparse patch file. */
export async function openPatch(path: string): Promise<OpenPatch> {
  const folder = existsSync(path) && statSync(path).isDirectory();
  const file = folder ? join(path, ADAPTER_FILE) : path;
  if (!existsSync(file)) {
    throw inputError(
      `${path}: expected a patch (a file or an adapter directory), got nothing there`,
      { wayOut: "name what erase wrote, for example runs/<id>/patch" },
    );
  }
  const opened = await openCheckpointFile(file);
  try {
    const binding = parseBinding(path, opened.metadata);
    const extra = folder ? [readFileSync(join(path, ADAPTER_CONFIG), "utf8")] : [];
    const stored = opened.metadata[INTEGRITY_KEY] ?? "";
    const names = [...opened.names].sort();
    const contents = function* (): Generator<[string, Uint8Array]> {
      for (const name of names) yield [name, tidy(() => opened.tensor(name).bytes())];
    };
    return {
      path,
      binding,
      names,
      bytes: statSync(file).size + extra.reduce((sum, text) => sum + Buffer.byteLength(text), 0),
      tensor: (name) => opened.tensor(name),
      intact: () => integrity(opened.metadata[METADATA_KEY]!, extra, contents()) === stored,
      sha256: stored,
      close: () => opened.close(),
    };
  } catch (error) {
    opened.close();
    throw error;
  }
}

/** Writes one patch file; `extra` are the texts of files beside it that the hash covers. Returns the hash. */
export async function writePatchFile(
  file: string,
  entries: readonly SafetensorsEntry[],
  binding: Binding,
  extra: readonly string[] = [],
): Promise<string> {
  const text = JSON.stringify(binding);
  const sorted = [...entries].sort((a, b) => (a.name < b.name ? -1 : 1));
  const contents: [string, Uint8Array][] = [];
  for (const entry of sorted) contents.push([entry.name, await entry.bytes()]);
  const sha256 = integrity(text, extra, contents);
  await writeSafetensors(file, entries, {
    metadata: { format: "pt", [METADATA_KEY]: text, [INTEGRITY_KEY]: sha256 },
  });
  return sha256;
}

/** Writes an adapter directory's two files. */
export async function writeAdapter(
  folder: string,
  config: object,
  entries: readonly SafetensorsEntry[],
  binding: Binding,
): Promise<string> {
  const text = `${JSON.stringify(config, null, 2)}\n`;
  await writeFileAtomic(join(folder, ADAPTER_CONFIG), text);
  return writePatchFile(join(folder, ADAPTER_FILE), entries, binding, [text]);
}
