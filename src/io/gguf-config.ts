/** @file Rebuilds config.json and the tokenizer's files from the metadata of a GGUF file of architecture llama. */
import { inputError, unknownName } from "../base/errors.ts";
import { bpeTokenizerJson, PRE_TOKENIZERS } from "./bpe-json.ts";
import type { JsonObject } from "./json.ts";
import type { TokenizerFiles } from "./tokenizer.ts";

export type GgufMetadata = Readonly<Record<string, unknown>>;

const TOKEN_CONTROL = 3; // tokenizer.ggml.token_type: 1 normal, 3 control, 4 user-defined
const TOKEN_USER = 4;

function need(file: string, metadata: GgufMetadata, key: string): number {
  const value = metadata[key];
  if (typeof value === "number" || typeof value === "bigint") return Number(value);
  throw inputError(
    `${file}: expected the number ${key} in the metadata, got ${value === undefined ? "nothing" : typeof value}`,
    {
      wayOut: "convert the model again with a recent llama.cpp",
    },
  );
}

const optional = (metadata: GgufMetadata, key: string): number | undefined => {
  const value = metadata[key];
  return typeof value === "number" || typeof value === "bigint" ? Number(value) : undefined;
};

/** config.json of the model, as transformers reads it. */
export function configOf(
  file: string,
  m: GgufMetadata,
  { tied, vocab }: { tied: boolean; vocab: number },
): JsonObject {
  const hidden = need(file, m, "llama.embedding_length");
  const heads = need(file, m, "llama.attention.head_count");
  const scaling = m["llama.rope.scaling.type"];
  if (scaling !== undefined && scaling !== "none") {
    throw inputError(
      `${file}: expected a model without rotary scaling, got "${typeof scaling === "string" ? scaling : typeof scaling}"`,
      {
        wayOut: "use the safetensors checkpoint of this model",
      },
    );
  }
  const theta = optional(m, "llama.rope.freq_base") ?? 10000;
  const [bos, eos, pad] = ["bos", "eos", "padding"].map((t) =>
    optional(m, `tokenizer.ggml.${t}_token_id`),
  );
  return {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    vocab_size: vocab,
    hidden_size: hidden,
    intermediate_size: need(file, m, "llama.feed_forward_length"),
    num_hidden_layers: need(file, m, "llama.block_count"),
    num_attention_heads: heads,
    num_key_value_heads: optional(m, "llama.attention.head_count_kv") ?? heads,
    head_dim: optional(m, "llama.attention.key_length") ?? hidden / heads,
    max_position_embeddings: need(file, m, "llama.context_length"),
    rms_norm_eps: need(file, m, "llama.attention.layer_norm_rms_epsilon"),
    rope_theta: theta,
    rope_parameters: { rope_type: "default", rope_theta: theta },
    hidden_act: "silu",
    attention_bias: false,
    mlp_bias: false,
    attention_dropout: 0,
    initializer_range: 0.02,
    tie_word_embeddings: tied,
    use_cache: true,
    torch_dtype: "float32",
    bos_token_id: bos ?? null,
    eos_token_id: eos ?? null,
    pad_token_id: pad ?? null,
  };
}

/** tokenizer.json and tokenizer_config.json of a byte-level BPE (tokenizer.ggml.model gpt2). */
export function tokenizerOf(file: string, m: GgufMetadata): TokenizerFiles {
  const model = m["tokenizer.ggml.model"];
  const tokens = m["tokenizer.ggml.tokens"];
  const merges = m["tokenizer.ggml.merges"];
  if (model !== "gpt2" || !Array.isArray(tokens) || !Array.isArray(merges)) {
    throw inputError(
      `${file}: expected a byte-level BPE tokenizer (tokenizer.ggml.model gpt2), got ${typeof model === "string" ? model : "none"}`,
      {
        wayOut: "use the safetensors checkpoint of this model, with its tokenizer.json",
      },
    );
  }
  const named = m["tokenizer.ggml.pre"];
  const pre = typeof named === "string" && named !== "default" ? named : "gpt-2";
  const preTokenizer = PRE_TOKENIZERS[pre];
  if (preTokenizer === undefined)
    throw unknownName("pre-tokenizer (tokenizer.ggml.pre)", pre, Object.keys(PRE_TOKENIZERS));
  const list = tokens as string[];
  const types = (m["tokenizer.ggml.token_type"] ?? []) as number[];
  const added = list
    .map((content, id) => ({ id, content, special: types[id] === TOKEN_CONTROL }))
    .filter(({ id }) => types[id] === TOKEN_CONTROL || types[id] === TOKEN_USER);
  const bosId = optional(m, "tokenizer.ggml.bos_token_id");
  const addsBos = m["tokenizer.ggml.add_bos_token"] === true && bosId !== undefined;
  const definition = bpeTokenizerJson({
    vocab: new Map(list.map((token, id) => [token, id])),
    merges: (merges as string[]).map((pair) => pair.split(" ") as unknown as [string, string]),
    added,
    preTokenizer,
    bos: addsBos ? { id: bosId, content: list[bosId]! } : undefined,
    ignoreMerges: pre === "llama-bpe",
  });
  const token = (name: string) => {
    const id = optional(m, `tokenizer.ggml.${name}_token_id`);
    return id === undefined ? undefined : list[id];
  };
  const entries = Object.entries({
    tokenizer_class: "PreTrainedTokenizerFast",
    bos_token: token("bos"),
    eos_token: token("eos"),
    unk_token: token("unknown"),
    pad_token: token("padding"),
    chat_template: m["tokenizer.chat_template"],
    clean_up_tokenization_spaces: false,
    model_max_length: optional(m, "llama.context_length"),
  }).filter(([, value]) => value !== undefined);
  return { json: JSON.stringify(definition), config: Object.fromEntries(entries) };
}
