/**
 * @file Reads a .gguf file of architecture llama: metadata through @huggingface/gguf, tensors dequantised to float32, names
 * and the order of rotary channels as in Hugging Face checkpoints. Input only.
 */
import { closeSync, openSync, readSync, statSync } from "node:fs";
import { gguf } from "@huggingface/gguf";
import { inputError, messageOf } from "../base/errors.ts";
import { fromBytes, type DType, type Tensor } from "../torch/index.ts";
import { readError } from "./disk-error.ts";
import { dequantize, GGUF_TYPES } from "./gguf-dequantize.ts";

export type GgufFile = {
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly names: readonly string[];
  info(name: string): { readonly dtype: DType; readonly shape: readonly number[] };
  /** float32, read and dequantised at each call. */
  tensor(name: string): Tensor;
  close(): void;
};

type Entry = { name: string; shape: number[]; type: number; offset: number };

const RENAMES: readonly [RegExp, string][] = [
  [/^token_embd\.weight$/, "model.embed_tokens.weight"],
  [/^output_norm\.weight$/, "model.norm.weight"],
  [/^output\.weight$/, "lm_head.weight"],
  [/^blk\.(\d+)\.attn_norm\.weight$/, "model.layers.$1.input_layernorm.weight"],
  [/^blk\.(\d+)\.ffn_norm\.weight$/, "model.layers.$1.post_attention_layernorm.weight"],
  [/^blk\.(\d+)\.attn_(q|k|v)\.weight$/, "model.layers.$1.self_attn.$2_proj.weight"],
  [/^blk\.(\d+)\.attn_output\.weight$/, "model.layers.$1.self_attn.o_proj.weight"],
  [/^blk\.(\d+)\.ffn_(gate|up|down)\.weight$/, "model.layers.$1.mlp.$2_proj.weight"],
];

/** The Hugging Face name of a GGUF tensor; unknown names stay as they are and are refused by the model. */
const renamed = (name: string): string => {
  const rule = RENAMES.find(([pattern]) => pattern.test(name));
  return rule === undefined ? name : name.replace(rule[0], rule[1]);
};

/** Opens and checks the file; tensors are read when asked for. */
export async function openGguf(path: string): Promise<GgufFile> {
  const size = sizeOf(path);
  const parsed = await gguf(path, { allowLocalFile: true }).catch((cause: unknown) => {
    throw inputError(`${path}: expected a GGUF file, got: ${messageOf(cause)}`, {
      wayOut: "download or convert it again",
      cause,
    });
  });
  const metadata = parsed.metadata as unknown as Record<string, unknown>;
  const architecture = metadata["general.architecture"];
  if (architecture !== "llama") {
    throw inputError(
      `${path}: expected architecture llama, got ${typeof architecture === "string" ? architecture : "none"}`,
      {
        wayOut: "use the safetensors checkpoint of this model",
      },
    );
  }
  const start = Number(parsed.tensorDataOffset);
  const entries = new Map<string, Entry>();
  for (const t of parsed.tensorInfos) {
    const shape = t.shape.map(Number).reverse(); // GGUF counts from the fastest dimension
    const entry = {
      name: t.name,
      shape,
      type: t.dtype as number,
      offset: start + Number(t.offset),
    };
    checkEntry(path, entry, size);
    const name = renamed(t.name);
    const first = entries.get(name);
    if (first !== undefined) {
      throw inputError(`${path}: expected one tensor ${name}, got ${first.name} and ${t.name}`, {
        wayOut: "convert the model again",
      });
    }
    entries.set(name, entry);
  }
  const file = openSync(path, "r");
  const find = (name: string): Entry => {
    const entry = entries.get(name);
    if (entry === undefined) {
      throw inputError(`${path}: expected a tensor ${name}, got none`, {
        wayOut: "convert the model again",
      });
    }
    return entry;
  };
  return {
    metadata,
    names: [...entries.keys()].sort(),
    info: (name) => ({ dtype: "float32", shape: find(name).shape }),
    tensor: (name) => readTensor(file, path, name, find(name), metadata),
    close: () => closeSync(file),
  };
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch (error) {
    throw readError(error, path, "a .gguf file");
  }
}

const countOf = (entry: Entry): number => entry.shape.reduce((a, b) => a * b, 1);

function byteLength(entry: Entry): number {
  const format = GGUF_TYPES.get(entry.type)!;
  return (countOf(entry) / format.block) * format.bytes;
}

function checkEntry(path: string, entry: Entry, size: number): void {
  const type = GGUF_TYPES.get(entry.type);
  if (type === undefined) {
    throw inputError(
      `${path}: ${entry.name}: expected a tensor of type ${[...GGUF_TYPES.values()].map((t) => t.name).join(", ")}, got GGML type ${entry.type}`,
      {
        wayOut: "use a file in one of these types (for example: llama-quantize … Q8_0)",
      },
    );
  }
  const width = entry.shape.at(-1) ?? 1;
  if (width % type.block !== 0) {
    throw inputError(
      `${path}: ${entry.name}: expected rows of whole blocks of ${type.block} values (${type.name}), got rows of ${width}`,
      { wayOut: "convert the model again" },
    );
  }
  const end = entry.offset + byteLength(entry);
  if (!Number.isInteger(end) || end > size) {
    throw inputError(
      `${path}: ${entry.name}: expected its bytes to end at ${end}, got a file of ${size} bytes`,
      { wayOut: "download the file again: it is cut short" },
    );
  }
}

function readTensor(
  file: number,
  path: string,
  name: string,
  entry: Entry,
  metadata: GgufFile["metadata"],
): Tensor {
  const bytes = new Uint8Array(byteLength(entry));
  for (let done = 0; done < bytes.length;) {
    const got = readSync(
      file,
      bytes,
      done,
      Math.min(bytes.length - done, 1 << 30),
      entry.offset + done,
    );
    if (got === 0) {
      throw inputError(`${path}: ${entry.name}: expected ${bytes.length} bytes, got ${done}`, {
        wayOut: "download the file again",
      });
    }
    done += got;
  }
  let values = dequantize(bytes, GGUF_TYPES.get(entry.type)!);
  const heads = metadata["llama.attention.head_count"];
  const keyHeads = metadata["llama.attention.head_count_kv"] ?? heads;
  if (name.endsWith("q_proj.weight")) values = unpermuted(values, entry.shape, Number(heads));
  if (name.endsWith("k_proj.weight")) values = unpermuted(values, entry.shape, Number(keyHeads));
  return fromBytes(new Uint8Array(values.buffer), entry.shape, "float32");
}

/** llama.cpp interleaves the two halves of each head's rotary channels: row 2i + c there is row c·d/2 + i here. */
function unpermuted(values: Float32Array, shape: readonly number[], heads: number): Float32Array {
  const [rows, width] = shape as [number, number];
  const dim = rows / heads;
  const out = new Float32Array(values.length);
  for (let h = 0; h < heads; h++) {
    for (let r = 0; r < dim; r++) {
      const source = h * dim + 2 * (r % (dim / 2)) + Math.floor(r / (dim / 2));
      out.set(values.subarray(source * width, (source + 1) * width), (h * dim + r) * width);
    }
  }
  return out;
}
