/**
 * @file Opens a Hugging Face directory of safetensors, single or sharded, memory-mapped.
 * Refuses pickle files and adapter directories with the command that converts or merges them.
 */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { inputError } from "../base/errors.ts";
import { closestName } from "../base/suggest.ts";
import { DTYPES, fromBytes, mapFile, type MappedFile, type Tensor } from "../torch/index.ts";
import { readError } from "./disk-error.ts";
import { isObject, kindOf, parseObject, type JsonObject } from "./json.ts";
import { readHeader, type SafetensorsHeader, type TensorInfo } from "./safetensors.ts";

export const SINGLE = "model.safetensors";
export const INDEX = "model.safetensors.index.json";

/** One safetensors file of a checkpoint, as it must be written again. */
export type Shard = {
  /** Name inside the directory. */
  readonly file: string;
  readonly names: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
};

export type Checkpoint = {
  /** Names of all tensors, sorted. */
  readonly names: readonly string[];
  info(name: string): TensorInfo;
  /** The tensor, on the mapped file (read-only); the caller disposes it. */
  tensor(name: string): Tensor;
  readonly shards: readonly Shard[];
  /** Paths of the safetensors files. */
  readonly files: readonly string[];
  close(): void;
};

/** Opens the checkpoint in `dir` and checks every header and the index against one another. */
export async function openCheckpoint(dir: string): Promise<Checkpoint> {
  const files = weightFiles(dir);
  const headers = new Map<string, SafetensorsHeader>();
  for (const file of files.names) headers.set(file, await readHeader(join(dir, file)));
  if (files.map !== undefined) checkIndex(dir, files.map, headers);
  const infos = new Map<string, TensorInfo>();
  for (const { tensors } of headers.values()) {
    for (const [name, info] of tensors) infos.set(name, info);
  }
  const maps = new Map<string, MappedFile>();
  const info = (name: string): TensorInfo =>
    infos.get(name) ?? unknownTensor(dir, name, [...infos.keys()]);
  const mapped = (path: string): MappedFile => {
    const known = maps.get(path);
    if (known !== undefined) return known;
    const map = mapFile(path);
    maps.set(path, map);
    return map;
  };
  return {
    names: [...infos.keys()].sort(),
    info,
    tensor: (name) => tensorAt(mapped, info(name)),
    shards: [...headers].map(([file, { tensors, metadata }]) => ({
      file,
      names: [...tensors.keys()],
      metadata,
    })),
    files: files.names.map((file) => join(dir, file)),
    close() {
      for (const map of maps.values()) map.close();
      maps.clear();
    },
  };
}

function tensorAt(
  mapped: (path: string) => MappedFile,
  { file, begin, end, shape, dtype }: TensorInfo,
) {
  if (begin === end) return fromBytes(new Uint8Array(0), shape, dtype);
  if (begin % DTYPES[dtype].bytes === 0) return mapped(file).tensor(begin, shape, dtype);
  // the format does not promise alignment, the processor wants it: copy
  const raw = mapped(file).tensor(begin, [end - begin], "uint8");
  try {
    return fromBytes(raw.bytes(), shape, dtype);
  } finally {
    raw.dispose();
  }
}

function unknownTensor(dir: string, name: string, known: readonly string[]): never {
  const near = closestName(name, known);
  throw inputError(`${dir}: expected a tensor ${name}, got a checkpoint without it`, {
    wayOut:
      near === undefined
        ? "check that the weights belong to this config.json"
        : `the closest name there is ${near}`,
  });
}

type WeightFiles = { names: readonly string[]; map?: ReadonlyMap<string, string> };

function weightFiles(dir: string): WeightFiles {
  let entries: string[];
  try {
    if (!statSync(dir).isDirectory()) {
      throw inputError(`${dir}: expected a model directory, got a file`, {
        wayOut: "name the directory that holds config.json",
      });
    }
    entries = readdirSync(dir);
  } catch (error) {
    throw readError(error, dir, "a model directory", "check the path");
  }
  // like transformers: the single file wins over an index left beside it
  if (entries.includes(SINGLE)) return { names: [SINGLE] };
  if (entries.includes(INDEX)) return shardedFiles(dir, entries);
  throw noWeights(dir, entries);
}

function noWeights(dir: string, entries: readonly string[]): Error {
  if (entries.includes("adapter_config.json")) {
    const base = adapterBase(dir);
    return inputError(
      `${dir}: expected a model, got an adapter (adapter_config.json) without its model`,
      {
        wayOut:
          `merge it: python -c "from peft import AutoPeftModelForCausalLM as M; ` +
          `M.from_pretrained('${dir}').merge_and_unload().save_pretrained('merged')" (base: ${base})`,
      },
    );
  }
  const pickle = entries.find((name) => /^pytorch_model.*\.bin(\.index\.json)?$/.test(name));
  if (pickle !== undefined) {
    return inputError(`${dir}: expected ${SINGLE}, got a pickle (${pickle}), which can run code`, {
      wayOut:
        `convert it: python -c "from transformers import AutoModelForCausalLM as M, AutoTokenizer as T; ` +
        `M.from_pretrained('${dir}').save_pretrained('converted'); T.from_pretrained('${dir}').save_pretrained('converted')"`,
    });
  }
  const gguf = entries.find((name) => name.endsWith(".gguf"));
  return inputError(`${dir}: expected ${SINGLE} or ${INDEX}, got ${listed(entries)}`, {
    wayOut:
      gguf === undefined
        ? "name a Hugging Face model directory"
        : `name the file itself: ${join(dir, gguf)}`,
  });
}

const listed = (entries: readonly string[]): string => {
  if (entries.length === 0) return "an empty directory";
  const shown = entries.slice(0, 8).join(", ");
  return entries.length > 8 ? `${shown} and ${entries.length - 8} more` : shown;
};

function adapterBase(dir: string): string {
  try {
    const path = join(dir, "adapter_config.json");
    const config = parseObject(readFileSync(path, "utf8"), path);
    return typeof config["base_model_name_or_path"] === "string"
      ? config["base_model_name_or_path"]
      : "unknown";
  } catch {
    return "unknown";
  }
}

function shardedFiles(dir: string, entries: readonly string[]): WeightFiles {
  const path = join(dir, INDEX);
  const index: JsonObject = parseObject(readFileSync(path, "utf8"), path);
  const map = index["weight_map"];
  if (!isObject(map) || Object.keys(map).length === 0) {
    throw inputError(`${path}: expected a weight_map of tensor to file, got ${kindOf(map)}`, {
      wayOut: "save or fetch the model again",
    });
  }
  for (const [name, file] of Object.entries(map)) {
    // no folders: an index from elsewhere must not reach outside its directory
    if (typeof file !== "string" || !/^[^/\\]+\.safetensors$/.test(file)) {
      throw inputError(
        `${path}: tensor ${name}: expected the name of a .safetensors file, got ${kindOf(file)}`,
      );
    }
  }
  const files = [...new Set(Object.values(map) as string[])].sort();
  const missing = files.filter((file) => !entries.includes(file) || !existsSync(join(dir, file)));
  if (missing.length > 0) {
    throw inputError(
      `${path}: expected ${files.length} shards, got ${files.length - missing.length}: ${missing.slice(0, 3).join(", ")} missing`,
      { wayOut: "fetch the missing files into the directory" },
    );
  }
  return { names: files, map: new Map(Object.entries(map as Record<string, string>)) };
}

function checkIndex(
  dir: string,
  map: ReadonlyMap<string, string>,
  headers: ReadonlyMap<string, SafetensorsHeader>,
): void {
  const path = join(dir, INDEX);
  for (const [name, file] of map) {
    if (headers.get(file)?.tensors.has(name) !== true) {
      throw inputError(`${path}: tensor ${name}: expected it in ${file}, got a shard without it`, {
        wayOut: "the shards and the index are of different models or versions: fetch them again",
      });
    }
  }
  for (const [file, { tensors }] of headers) {
    for (const name of tensors.keys()) {
      if (map.get(name) === file) continue;
      const place = map.get(name) ?? "nowhere";
      throw inputError(
        `${join(dir, file)}: tensor ${name}: expected it in the index, got it listed ${place === "nowhere" ? place : `in ${place}`}`,
        {
          wayOut: "the shards and the index are of different models or versions: fetch them again",
        },
      );
    }
  }
}
