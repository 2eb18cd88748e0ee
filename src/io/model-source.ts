/**
 * @file Opens whatever a user may name as a model (a directory, a .gguf file, hf:owner/name) behind one face:
 * config, tensors, tokenizer, and the files that go beside the weights when the model is written again.
 */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { inputError } from "../base/errors.ts";
import type { DType, Tensor } from "../torch/index.ts";
import { INDEX, openCheckpoint, SINGLE, type Shard } from "./checkpoint.ts";
import { isMissing, readError } from "./disk-error.ts";
import { openGguf } from "./gguf.ts";
import { rebuildFiles } from "./gguf-rebuild.ts";
import { sha256, sha256OfFile, sha256OfTensor } from "./hash.ts";
import { hubDirectory, type HubOptions } from "./hub.ts";
import { readObject, type JsonObject } from "./json.ts";
import { loadTokenizer, type Tokenizer } from "./tokenizer.ts";

/** A file that goes beside the weights: copied from `path`, or written from `content`. */
export type SideFile = { readonly name: string } & (
  { readonly path: string } | { readonly content: string }
);

export type ModelSource = {
  readonly kind: "directory" | "gguf";
  /** As the user wrote it. */
  readonly spec: string;
  /** The directory or file itself. */
  readonly path: string;
  readonly config: JsonObject;
  readonly generationConfig: JsonObject | null;
  readonly chatTemplate: string | null;
  /** Sorted. */
  readonly names: readonly string[];
  info(name: string): { readonly dtype: DType; readonly shape: readonly number[] };
  /** The tensor as stored (read-only), float32 for .gguf; the caller disposes it. */
  tensor(name: string): Tensor;
  tokenizer(): Promise<Tokenizer>;
  readonly shards: readonly Shard[];
  readonly sideFiles: readonly SideFile[];
  /** What else lies beside the weights and is not written again: no part of a model by its name, or the weights in another form. */
  readonly leftOut: readonly string[];
  /** File and byte offset of a stored tensor; absent for .gguf. */
  readonly placeOf?: (name: string) => { readonly file: string; readonly begin: number };
  /** SHA-256 of one tensor's bytes; computed once. */
  tensorHash(name: string): Promise<string>;
  /** See `modelHash`; computed once. */
  hash(): Promise<string>;
  close(): void;
};

/** Opens the model that `spec` names. */
export async function openModel(spec: string, options: HubOptions = {}): Promise<ModelSource> {
  if (spec.startsWith("hf:")) return openDirectory(await hubDirectory(spec, options), spec);
  let isFolder: boolean;
  try {
    isFolder = statSync(spec).isDirectory();
  } catch (error) {
    const wayOut = isMissing(error)
      ? /^[\w.-]+\/[\w.-]+$/.test(spec)
        ? `for a model of the Hugging Face hub write hf:${spec}`
        : "check the path"
      : undefined;
    throw readError(error, spec, "a model (a directory, a .gguf file or hf:owner/name)", wayOut);
  }
  if (isFolder) return openDirectory(spec, spec);
  if (/\.gguf$/i.test(spec)) return openGgufModel(spec);
  throw inputError(`${spec}: expected a model directory or a .gguf file, got another file`, {
    wayOut: "name the directory that holds config.json",
  });
}

/**
 * One hash for a model: SHA-256 over a line for each tensor in name order (name, dtype, shape, SHA-256 of its bytes)
 * and the config with sorted keys. Independent of shards and headers.
 */
export function modelHash(
  tensors: readonly { name: string; dtype: DType; shape: readonly number[]; sha256: string }[],
  config: JsonObject,
): string {
  const hash = createHash("sha256");
  const sorted = [...tensors].sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const { name, dtype, shape, sha256: bytes } of sorted) {
    hash.update(`${JSON.stringify([name, dtype, shape, bytes])}\n`);
  }
  return hash.update(JSON.stringify(sortKeys(config))).digest("hex");
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, sortKeys(inner)]));
}

type Hashed = Pick<ModelSource, "names" | "config" | "info" | "tensorHash">;

function hashOnce(source: Hashed): () => Promise<string> {
  let hash: Promise<string> | undefined;
  const compute = async () => {
    const tensors = [];
    for (const name of source.names) {
      tensors.push({ name, ...pick(source.info(name)), sha256: await source.tensorHash(name) });
    }
    return modelHash(tensors, source.config);
  };
  return () => (hash ??= compute());
}

const pick = ({ dtype, shape }: { dtype: DType; shape: readonly number[] }) => ({ dtype, shape });

function eachOnce(hashOf: (name: string) => Promise<string>): (name: string) => Promise<string> {
  const hashes = new Map<string, Promise<string>>();
  return (name) => {
    const hash = hashes.get(name) ?? hashOf(name);
    hashes.set(name, hash);
    return hash;
  };
}

const once = <T>(make: () => Promise<T>): (() => Promise<T>) => {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
};

const CONFIG_WAY_OUT =
  "a model directory holds config.json, *.safetensors and tokenizer.json: check the path";

async function openDirectory(dir: string, spec: string): Promise<ModelSource> {
  // first the weights: their errors tell adapters and pickles apart, which lack a config.json, too
  const weights = [SINGLE, INDEX].some((file) => existsSync(join(dir, file)));
  const early = weights ? undefined : await openCheckpoint(dir);
  const config = await readObject(join(dir, "config.json"), "config.json of a model", {
    wayOut: CONFIG_WAY_OUT,
  });
  const generationPath = join(dir, "generation_config.json");
  const generationConfig = existsSync(generationPath) ? await readObject(generationPath) : null;
  const chatTemplate = await readChatTemplate(dir);
  const checkpoint = early ?? (await openCheckpoint(dir));
  const source = {
    names: checkpoint.names,
    config,
    info: (name: string) => checkpoint.info(name),
    tensorHash: eachOnce(async (name) => {
      const { file, begin, end } = checkpoint.info(name);
      return sha256OfFile(file, { begin, end });
    }),
  };
  return {
    ...source,
    kind: "directory",
    spec,
    path: dir,
    generationConfig,
    chatTemplate,
    tensor: (name) => checkpoint.tensor(name),
    tokenizer: once(() => loadTokenizer({ dir })),
    shards: checkpoint.shards,
    placeOf: (name) => checkpoint.info(name),
    ...besideWeights(dir, checkpoint.shards),
    hash: hashOnce(source),
    close: () => checkpoint.close(),
  };
}

async function readChatTemplate(dir: string): Promise<string | null> {
  const file = join(dir, "chat_template.jinja");
  if (existsSync(file)) return readFile(file, "utf8");
  const path = join(dir, "tokenizer_config.json");
  const template = existsSync(path) ? (await readObject(path))["chat_template"] : undefined;
  return typeof template === "string" ? template : null;
}

// By name, and no others: a stray file beside a model may well hold the texts that were to be erased.
const SIDE_FILES = [
  /(?:config|generation_config|preprocessor_config|processor_config)\.json/,
  /(?:special_tokens_map|added_tokens|vocab|tokenizer[\w.-]*|chat_template)\.json/,
  /merges\.txt|vocab\.txt|[\w.-]+\.(?:model|jinja|tiktoken)/,
  /(?:configuration|modeling|tokenization)_\w+\.py/,
  /(?:LICENSE|NOTICE|USE_POLICY)[\w.-]*|README\.md|\.gitattributes/,
];
const SIDE_FILE = new RegExp(`^(?:${SIDE_FILES.map((r) => r.source).join("|")})$`);

/** What stands beside the weights in a directory, parted in what belongs to the model and what does not. */
function besideWeights(
  dir: string,
  shards: readonly Shard[],
): Pick<ModelSource, "sideFiles" | "leftOut"> {
  const weights = shards.map(({ file }) => file);
  if (!weights.includes(SINGLE)) weights.push(INDEX);
  const sideFiles: SideFile[] = [];
  const leftOut: string[] = [];
  for (const name of readdirSync(dir).sort()) {
    const path = join(dir, name);
    const isFile = statSync(path, { throwIfNoEntry: false })?.isFile() === true;
    if (isFile && SIDE_FILE.test(name)) sideFiles.push({ name, path });
    else if (!weights.includes(name)) leftOut.push(name);
  }
  return { sideFiles, leftOut };
}

async function openGgufModel(path: string): Promise<ModelSource> {
  const gguf = await openGguf(path);
  const { config, generationConfig, tokenizer, specialTokensMap, chatTemplate } = rebuildFiles(
    path,
    gguf,
  );
  const json = (value: JsonObject) => `${JSON.stringify(value, null, 2)}\n`;
  const source = {
    names: gguf.names,
    config,
    info: (name: string) => gguf.info(name),
    tensorHash: eachOnce((name) => {
      const tensor = gguf.tensor(name);
      try {
        return Promise.resolve(sha256OfTensor(tensor));
      } finally {
        tensor.dispose();
      }
    }),
  };
  return {
    ...source,
    kind: "gguf",
    spec: path,
    path,
    generationConfig,
    chatTemplate,
    tensor: (name) => gguf.tensor(name),
    tokenizer: once(() => loadTokenizer(tokenizer)),
    shards: [{ file: SINGLE, names: gguf.names, metadata: { format: "pt" } }],
    sideFiles: [
      { name: "config.json", content: json(config) },
      { name: "generation_config.json", content: json(generationConfig) },
      { name: "special_tokens_map.json", content: json(specialTokensMap) },
      { name: "tokenizer.json", content: tokenizer.json },
      { name: "tokenizer_config.json", content: json(tokenizer.config) },
    ],
    leftOut: [],
    hash: hashOnce(source),
    close: () => gguf.close(),
  };
}

/** The SHA-256 of a file that goes beside the weights. */
export const sideFileHash = (file: SideFile): Promise<string> =>
  "path" in file ? sha256OfFile(file.path) : Promise.resolve(sha256(file.content));
