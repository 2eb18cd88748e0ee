/**
 * @file Rebuilds the files of a Hugging Face directory from a GGUF file's metadata:
 * config.json, generation_config.json, tokenizer.json, tokenizer_config.json and special_tokens_map.json.
 */
import { inputError } from "../base/errors.ts";
import { bpeTokenizerJson, PRE_TOKENIZERS } from "./bpe-json.ts";
import type { GgufFile } from "./gguf.ts";
import { expectPlainLlama } from "./gguf-features.ts";
import { kindOf, type JsonObject } from "./json.ts";
import type { TokenizerFiles } from "./tokenizer.ts";

const WAY_OUT = "take the Hugging Face directory that the file was made from";
const PRE_ALIASES: Readonly<Record<string, string>> = {
  llama3: "llama-bpe",
  "llama-v3": "llama-bpe",
};
const CONTROL = 3;
const USER_DEFINED = 4;

export type Rebuilt = {
  config: JsonObject;
  generationConfig: JsonObject;
  tokenizer: TokenizerFiles;
  specialTokensMap: JsonObject;
  chatTemplate: string | null;
};

/** All rebuilt files of the GGUF file at `path`. */
export function rebuildFiles(path: string, gguf: GgufFile): Rebuilt {
  const { metadata } = gguf;
  const id = (name: string): number | null => {
    const value = metadata[`tokenizer.ggml.${name}_token_id`];
    return typeof value === "number" ? value : null;
  };
  const ids = { bos_token_id: id("bos"), eos_token_id: id("eos"), pad_token_id: id("padding") };
  const tokenizer = rebuildTokenizer(path, metadata);
  const special = ["bos_token", "eos_token", "unk_token", "pad_token"] as const;
  const template = metadata["tokenizer.chat_template"];
  return {
    config: rebuildConfig(path, gguf, ids),
    generationConfig: Object.fromEntries(Object.entries(ids).filter(([, value]) => value !== null)),
    tokenizer,
    specialTokensMap: Object.fromEntries(
      special.flatMap((name) =>
        typeof tokenizer.config[name] === "string" ? [[name, tokenizer.config[name]]] : [],
      ),
    ),
    chatTemplate: typeof template === "string" ? template : null,
  };
}

function rebuildConfig(path: string, gguf: GgufFile, ids: JsonObject): JsonObject {
  const { metadata, names } = gguf;
  const number = (key: string, fallback?: number): number => {
    const value = metadata[`llama.${key}`] ?? fallback;
    if (typeof value === "number") return value;
    throw inputError(`${path}: expected a number llama.${key}, got ${kindOf(value)}`, {
      wayOut: WAY_OUT,
    });
  };
  const hidden = number("embedding_length");
  const heads = number("attention.head_count");
  const headDim = number("attention.key_length", hidden / heads);
  expectPlainLlama(path, metadata, { headDim, wayOut: WAY_OUT });
  const [vocabulary] = gguf.info("model.embed_tokens.weight").shape;
  const layers = number("block_count");
  return {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    hidden_size: hidden,
    intermediate_size: number("feed_forward_length"),
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: number("attention.head_count_kv", heads),
    head_dim: headDim,
    hidden_act: "silu",
    max_position_embeddings: number("context_length"),
    rms_norm_eps: shortest(number("attention.layer_norm_rms_epsilon")),
    rope_theta: shortest(number("rope.freq_base", 10000)),
    rope_scaling: null,
    attention_bias: names.includes("model.layers.0.self_attn.q_proj.bias"),
    attention_dropout: 0,
    mlp_bias: names.includes("model.layers.0.mlp.gate_proj.bias"),
    vocab_size: vocabulary,
    tie_word_embeddings: !names.includes("lm_head.weight"),
    initializer_range: 0.02,
    pretraining_tp: 1,
    use_cache: true,
    ...ids,
    torch_dtype: "float32",
  };
}

/** The shortest decimal with the same float32: files hold 1e-5 as 0.000009999999747378752. */
function shortest(value: number): number {
  for (let digits = 1; digits < 10; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === Math.fround(value)) return short;
  }
  return value;
}

function rebuildTokenizer(path: string, metadata: JsonObject): TokenizerFiles {
  const get = (key: string): unknown => metadata[`tokenizer.ggml.${key}`];
  const model = get("model");
  // no default: Llama 3's older files leave it out, and are not cut as GPT-2's
  const name = get("pre");
  const pre = typeof name === "string" ? (PRE_ALIASES[name] ?? name) : "";
  const preTokenizer = Object.hasOwn(PRE_TOKENIZERS, pre) ? PRE_TOKENIZERS[pre] : undefined;
  if (model !== "gpt2" || preTokenizer === undefined) {
    const known = Object.keys(PRE_TOKENIZERS).join(", ");
    throw inputError(
      `${path}: expected a byte-level BPE tokenizer (gpt2) cut as one of ${known}, got ${kindOf(model)} cut as ${kindOf(name)}`,
      { wayOut: WAY_OUT },
    );
  }
  const tokens = stringsAt(path, metadata, "tokenizer.ggml.tokens");
  const merges = stringsAt(path, metadata, "tokenizer.ggml.merges");
  const types = get("token_type");
  const typeAt = (id: number): unknown => (Array.isArray(types) ? types[id] : undefined);
  const added = tokens.flatMap((content, id) => {
    const type = typeAt(id);
    return type === CONTROL || type === USER_DEFINED
      ? [{ id, content, special: type === CONTROL }]
      : [];
  });
  const tokenAt = (key: string): string | undefined => {
    const id = get(`${key}_token_id`);
    return typeof id === "number" ? tokens[id] : undefined;
  };
  const bos = tokenAt("bos");
  // Llama 3's files leave the flag out and mean yes
  const addsBos = (get("add_bos_token") ?? pre === "llama-bpe") === true && bos !== undefined;
  const definition = bpeTokenizerJson({
    vocab: new Map(tokens.map((token, id) => [token, id])),
    merges,
    added,
    preTokenizer,
    bos: addsBos ? { id: get("bos_token_id") as number, content: bos } : undefined,
    ignoreMerges: pre === "llama-bpe",
  });
  const template = metadata["tokenizer.chat_template"];
  const named = {
    bos_token: bos,
    eos_token: tokenAt("eos"),
    unk_token: tokenAt("unknown"),
    pad_token: tokenAt("padding"),
  };
  const config: JsonObject = {
    // takes tokenizer.json as it is; a class such as GPT2Tokenizer would cut texts its own way
    tokenizer_class: "PreTrainedTokenizerFast",
    ...Object.fromEntries(Object.entries(named).filter(([, token]) => token !== undefined)),
    clean_up_tokenization_spaces: false,
    model_max_length: metadata["llama.context_length"],
    ...(typeof template === "string" ? { chat_template: template } : {}),
  };
  return { json: JSON.stringify(definition), config };
}

function stringsAt(path: string, metadata: JsonObject, key: string): string[] {
  const value = metadata[key];
  if (Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === "string")) {
    return value;
  }
  throw inputError(`${path}: expected a list of strings ${key}, got ${kindOf(value)}`, {
    wayOut: WAY_OUT,
  });
}
