/** @file A model as a user names it: a Hugging Face directory, a .gguf file, or hf:owner/name[@revision]. */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { inputError } from "../base/errors.ts";
import { tidy, type DType, type Tensor } from "../torch/index.ts";
import { openCheckpoint, SINGLE, type Shard } from "./checkpoint.ts";
import { readError } from "./disk-error.ts";
import { openGguf } from "./gguf.ts";
import { readObject, type JsonObject } from "./json.ts";
import { loadTokenizer, type Tokenizer } from "./tokenizer.ts";

/** A file that belongs beside the weights: copied from `path`, or written with `content`. */
export type Sidecar = { readonly name: string; readonly path?: string; readonly content?: string };

export type ModelSource = {
  readonly spec: string;
  readonly kind: "directory" | "gguf";
  /** The directory or file on disk. */
  readonly path: string;
  readonly config: JsonObject;
  readonly names: readonly string[];
  info(name: string): { readonly dtype: DType; readonly shape: readonly number[] };
  /** The stored tensor; the caller's scope owns it. */
  tensor(name: string): Tensor;
  tokenizer(): Promise<Tokenizer>;
  /** Which tensors go into which file when the model is written again. */
  readonly shards: readonly Shard[];
  readonly sidecars: readonly Sidecar[];
  close(): void;
};

export async function openModel(spec: string): Promise<ModelSource> {
  if (spec.startsWith("hf:")) {
    const { resolveHub } = await import("./hub.ts");
    return openDirectory(spec, await resolveHub(spec));
  }
  let isFolder: boolean;
  try {
    isFolder = statSync(spec).isDirectory();
  } catch (error) {
    throw readError(error, spec, "a model directory, a .gguf file, or hf:owner/name");
  }
  if (isFolder) return openDirectory(spec, spec);
  if (spec.endsWith(".gguf")) return openGgufSource(spec);
  const pickle = /\.(bin|pt|pth)$/.test(spec) ? "a pickle file" : "another file";
  throw inputError(
    `${spec}: expected a model directory, a .gguf file, or hf:owner/name, got ${pickle}`,
    {
      wayOut: "name the directory that holds config.json and model.safetensors",
    },
  );
}

async function openDirectory(spec: string, path: string): Promise<ModelSource> {
  const checkpoint = await openCheckpoint(path);
  try {
    const file = join(path, "config.json");
    if (!existsSync(file)) {
      throw inputError(`${path}: expected config.json beside the weights, got none`, {
        wayOut: "copy config.json from where the model came from",
      });
    }
    const config = await readObject(file);
    const sidecars = readdirSync(path, { withFileTypes: true })
      .filter((e) => e.isFile() || e.isSymbolicLink())
      .filter(
        (e) =>
          /\.(json|jinja|model|txt|md)$/.test(e.name) && !e.name.startsWith("model.safetensors"),
      )
      .map((e) => ({ name: e.name, path: join(path, e.name) }));
    return {
      spec,
      kind: "directory",
      path,
      config,
      names: checkpoint.names,
      info: (name) => checkpoint.info(name),
      tensor: (name) => checkpoint.tensor(name),
      tokenizer: () => loadTokenizer({ dir: path }),
      shards: checkpoint.shards,
      sidecars,
      close: () => checkpoint.close(),
    };
  } catch (error) {
    checkpoint.close();
    throw error;
  }
}

async function openGgufSource(path: string): Promise<ModelSource> {
  const model = await openGguf(path);
  const { json, config: tokenizerConfig } = model.tokenizerFiles;
  const text = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
  const { bos_token_id, eos_token_id, pad_token_id } = model.config;
  const special = ["bos_token", "eos_token", "unk_token", "pad_token"].filter(
    (k) => k in tokenizerConfig,
  );
  return {
    spec: path,
    kind: "gguf",
    path,
    config: model.config,
    names: model.names,
    info: (name) => model.info(name),
    tensor: (name) => model.tensor(name),
    tokenizer: () => loadTokenizer(model.tokenizerFiles),
    shards: [{ file: SINGLE, names: model.names, metadata: { format: "pt" } }],
    sidecars: [
      { name: "config.json", content: text(model.config) },
      { name: "tokenizer.json", content: json },
      { name: "tokenizer_config.json", content: text(tokenizerConfig) },
      {
        name: "special_tokens_map.json",
        content: text(Object.fromEntries(special.map((k) => [k, tokenizerConfig[k]]))),
      },
      {
        name: "generation_config.json",
        content: text({ bos_token_id, eos_token_id, pad_token_id }),
      },
    ],
    close: () => model.close(),
  };
}

/** SHA-256 over name, dtype, shape and bytes of every tensor in name order: the model, however it is split into files. */
export function hashModel(source: ModelSource): string {
  const hash = createHash("sha256");
  for (const name of source.names) {
    const { dtype, shape } = source.info(name);
    hash.update(`${name} ${dtype} [${shape.join(",")}]\n`);
    tidy(() => hash.update(source.tensor(name).bytes()));
  }
  return hash.digest("hex");
}
