/**
 * @file A tiny random Llama directory with a byte-level tokenizer, made in the test: 2 layers, 32 channels, 258 tokens. Large
 * enough to learn a dozen short texts by heart in seconds.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { bpeTokenizerJson, PRE_TOKENIZERS } from "../src/io/bpe-json.ts";
import { BYTE_CHARACTERS } from "../src/io/byte-level.ts";
import { writeSafetensors } from "../src/io/index.ts";
import { architectureOf } from "../src/models/architecture.ts";
import { randomIntegers, shuffled } from "../src/base/random.ts";

export const CONFIG = {
  architectures: ["LlamaForCausalLM"],
  model_type: "llama",
  hidden_size: 32,
  intermediate_size: 64,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  vocab_size: 258,
  max_position_embeddings: 128,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  hidden_act: "silu",
  tie_word_embeddings: true,
  bos_token_id: 256,
  eos_token_id: 257,
  torch_dtype: "float32",
};

/** A folder that goes with the test process. */
export function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), "unrecite-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Gaussian-like floats from a named seed (sum of four uniforms). */
export function noise(name: string, count: number, scale: number): Float32Array {
  const draws = randomIntegers(name, 65536, 4 * count);
  return Float32Array.from(
    { length: count },
    (_, i) =>
      ((draws[4 * i]! + draws[4 * i + 1]! + draws[4 * i + 2]! + draws[4 * i + 3]!) / 65536 - 2) *
      1.73 *
      scale,
  );
}

/** Writes the model; returns its directory. */
export async function tinyModel(
  folder: string,
  { seed = "tiny" }: { seed?: string } = {},
): Promise<string> {
  const arch = architectureOf(CONFIG);
  const entries = [...arch.shapes].map(([name, shape]) => {
    const size = shape.reduce((a, b) => a * b, 1);
    const values = name.endsWith("norm.weight")
      ? new Float32Array(size).fill(1)
      : noise(`${seed} ${name}`, size, 0.15);
    return { name, dtype: "float32" as const, shape, bytes: () => new Uint8Array(values.buffer) };
  });
  await writeSafetensors(join(folder, "model.safetensors"), entries, {
    metadata: { format: "pt" },
  });
  const special = [
    { id: 256, content: "<s>", special: true },
    { id: 257, content: "</s>", special: true },
  ];
  const vocab = new Map([
    ...BYTE_CHARACTERS.map((c, i): [string, number] => [c, i]),
    ["<s>", 256],
    ["</s>", 257],
  ] as [string, number][]);
  const tokenizer = bpeTokenizerJson({
    vocab,
    merges: [],
    added: special,
    preTokenizer: PRE_TOKENIZERS["gpt-2"]!,
  });
  writeFileSync(join(folder, "config.json"), JSON.stringify(CONFIG));
  writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(tokenizer));
  writeFileSync(
    join(folder, "tokenizer_config.json"),
    JSON.stringify({ bos_token: "<s>", eos_token: "</s>" }),
  );
  return folder;
}

/** Distinct pseudo-sentences of at least `length` bytes. */
export function sentences(name: string, count: number, length: number): string[] {
  const syllables = ["ba", "ko", "ri", "tu", "ne", "lo", "mi", "sa", "de", "fu", "wy", "go"];
  return Array.from({ length: count }, (_, i) => {
    let text = "";
    for (let round = 0; text.length < length; round++) {
      text += `${shuffled(`${name} ${i} ${round}`, syllables).slice(0, 3).join("")} `;
    }
    return text.slice(0, length);
  });
}

/** Writes texts as JSONL; returns the path. */
export function textsFile(folder: string, name: string, texts: readonly string[]): string {
  const path = join(folder, `${name}.jsonl`);
  writeFileSync(
    path,
    texts.map((text, i) => `${JSON.stringify({ id: `${name}-${i}`, text })}\n`).join(""),
  );
  return path;
}
