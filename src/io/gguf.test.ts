import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { UnreciteError } from "../base/errors.ts";
import { writeCheckpoint } from "./checkpoint-write.ts";
import {
  ggufBytes,
  messageFrom,
  temporaryFolder,
  TINY_MERGES,
  TINY_TOKENS,
  type GgufTensor,
} from "../../tests/io-fixtures.ts";
import { dequantize, GGUF_TYPES } from "./gguf-dequantize.ts";
import { openModel } from "./model-source.ts";

const { folder, put } = temporaryFolder();
const golden = JSON.parse(
  readFileSync(new URL("../../tests/golden/data/gguf.json", import.meta.url), "utf8"),
) as Record<string, { type: number; bytes: string; bits: string }>;

for (const [name, { type, bytes, bits }] of Object.entries(golden)) {
  test(`${name} is dequantised as the gguf package does, bit for bit`, () => {
    const known = GGUF_TYPES.get(type);
    assert.ok(known !== undefined && known.name === name);
    const values = dequantize(Buffer.from(bytes, "hex"), known);
    assert.equal(Buffer.from(values.buffer).toString("hex"), bits);
  });
}

const floats = (count: number, first = 0): Uint8Array =>
  new Uint8Array(Float32Array.from({ length: count }, (_, i) => first + i).buffer);

const f32 = (name: string, shape: readonly number[]): GgufTensor => ({
  name,
  type: 0,
  shape,
  bytes: floats(shape.reduce((a, b) => a * b, 1)),
});

const metadata = {
  "general.architecture": "llama",
  "llama.block_count": 1,
  "llama.context_length": 64,
  "llama.embedding_length": 8,
  "llama.feed_forward_length": 4,
  "llama.attention.head_count": 2,
  "llama.attention.head_count_kv": 1,
  "llama.attention.layer_norm_rms_epsilon": 1e-5,
  "llama.rope.freq_base": 10000.5,
  "tokenizer.ggml.model": "gpt2",
  "tokenizer.ggml.pre": "smollm",
  "tokenizer.ggml.tokens": TINY_TOKENS,
  "tokenizer.ggml.token_type": TINY_TOKENS.map((_, id) => (id === 0 ? 3 : 1)),
  "tokenizer.ggml.merges": TINY_MERGES,
  "tokenizer.ggml.bos_token_id": 0,
  "tokenizer.ggml.eos_token_id": 0,
  "tokenizer.chat_template": "{{ messages }}",
};
const tensors = [
  f32("token_embd.weight", [TINY_TOKENS.length, 8]),
  f32("output_norm.weight", [8]),
  f32("blk.0.attn_norm.weight", [8]),
  f32("blk.0.ffn_norm.weight", [8]),
  f32("blk.0.attn_q.weight", [8, 8]),
  f32("blk.0.attn_k.weight", [4, 8]),
  f32("blk.0.attn_v.weight", [4, 8]),
  f32("blk.0.attn_output.weight", [8, 8]),
  f32("blk.0.ffn_gate.weight", [4, 8]),
  f32("blk.0.ffn_up.weight", [4, 8]),
  f32("blk.0.ffn_down.weight", [8, 4]),
];

test("a GGUF file opens as a Hugging Face model, and what is written from it is that model", async () => {
  const model = await openModel(put("tiny.gguf", ggufBytes(metadata, tensors)));
  const { config } = model;
  assert.equal(config["tie_word_embeddings"], true);
  assert.equal(config["rms_norm_eps"], 1e-5);
  assert.equal(config["head_dim"], 4);
  assert.equal(config["vocab_size"], TINY_TOKENS.length);
  assert.equal(model.chatTemplate, "{{ messages }}");
  // rows of a head lie [0a, 0b, 1a, 1b] in the file and [0a, 1a, 0b, 1b] here
  const rows = (name: string) => {
    const tensor = model.tensor(name);
    return Array.from(
      { length: tensor.shape[0] ?? 0 },
      (_, row) => (tensor.toFloats()[row * 8] ?? 0) / 8,
    );
  };
  assert.deepEqual(rows("model.layers.0.self_attn.q_proj.weight"), [0, 2, 1, 3, 4, 6, 5, 7]);
  assert.deepEqual(rows("model.layers.0.self_attn.k_proj.weight"), [0, 2, 1, 3]);
  assert.deepEqual(rows("model.layers.0.self_attn.v_proj.weight"), [0, 1, 2, 3]);
  const out = join(folder, "out");
  await writeCheckpoint(out, model);
  const again = await openModel(out);
  assert.equal(await again.hash(), await model.hash());
  const [ours, theirs] = [await model.tokenizer(), await again.tokenizer()];
  assert.equal(ours.sha256, theirs.sha256);
  assert.deepEqual(theirs.encode("hell 12<|end|>"), ours.encode("hell 12<|end|>"));
  assert.equal(
    await messageFrom(() => writeCheckpoint(out, model), folder),
    "out: expected a folder that is new or empty, got 6 entries\n  → choose another path, or move away what is there",
  );
  model.close();
  again.close();
});

const without = (key: string) =>
  Object.fromEntries(Object.entries(metadata).filter(([name]) => name !== key));

const variants: [what: string, bytes: Buffer, message: RegExp][] = [
  [
    "another architecture",
    ggufBytes({ ...metadata, "general.architecture": "qwen2" }, tensors),
    /^bad\.gguf: expected architecture llama, got qwen2/,
  ],
  [
    "a type that we do not read",
    ggufBytes(metadata, [{ ...f32("token_embd.weight", [1, 256]), type: 14 }]),
    /^bad\.gguf: token_embd\.weight: expected a tensor of type F32, F16, Q4_0, Q4_1, Q8_0, BF16, got GGML type 14/,
  ],
  [
    "a tokenizer that we do not rebuild",
    ggufBytes({ ...metadata, "tokenizer.ggml.pre": "tekken" }, tensors),
    /^bad\.gguf: expected a byte-level BPE tokenizer \(gpt2\) cut as one of gpt-2, smollm, llama-bpe, got "gpt2" cut as "tekken"/,
  ],
  [
    "a tokenizer that does not say how texts are cut",
    ggufBytes(without("tokenizer.ggml.pre"), tensors),
    /^bad\.gguf: expected a byte-level BPE tokenizer \(gpt2\) cut as one of gpt-2, .* got "gpt2" cut as nothing\n {2}→ take the Hugging Face directory/,
  ],
  [
    "scaled rotary embeddings",
    ggufBytes({ ...metadata, "llama.rope.scaling.type": "yarn" }, tensors),
    /^bad\.gguf: expected plain rotary embeddings, got the scaling "yarn"/,
  ],
  ...(
    [
      ["rope.scale_linear", 4, "1 or none, got the number 4"],
      ["rope.scaling.factor", 2.5, "1 or none, got the number 2.5"],
      ["rope.dimension_count", 2, "the head size, 4, got the number 2"],
      ["attention.value_length", 8, "the head size, 4, got the number 8"],
      ["attention.sliding_window", 32, "none below the context length, 64, got the number 32"],
      ["logit_scale", 0.5, "1 or none, got the number 0.5"],
    ] as const
  ).map(([key, value, told]): (typeof variants)[number] => [
    `llama.${key} of ${value}`,
    ggufBytes({ ...metadata, [`llama.${key}`]: value }, tensors),
    new RegExp(`^bad\\.gguf: llama\\.${key}: expected ${told}\\n {2}→ take the Hugging Face`),
  ]),
  [
    "two tensors of one name",
    ggufBytes(metadata, [...tensors, f32("output_norm.weight", [8])]),
    /^bad\.gguf: expected one tensor model\.norm\.weight, got output_norm\.weight and output_norm\.weight/,
  ],
  [
    "two names of one tensor",
    ggufBytes(metadata, [...tensors, f32("model.norm.weight", [8])]),
    /^bad\.gguf: expected one tensor model\.norm\.weight, got output_norm\.weight and model\.norm\.weight/,
  ],
  [
    "rows of half a block",
    ggufBytes(metadata, [
      ...tensors,
      { name: "blk.1.ffn_up.weight", type: 8, shape: [1, 16], bytes: new Uint8Array(17) },
    ]),
    /^bad\.gguf: blk\.1\.ffn_up\.weight: expected rows of whole blocks of 32 values \(Q8_0\), got rows of 16/,
  ],
  ["no GGUF at all", Buffer.from("not a model"), /^bad\.gguf: expected a GGUF file, got: /],
];

for (const [what, bytes, message] of variants) {
  test(`refuses ${what}`, async () => {
    const path = put("bad.gguf", bytes);
    assert.match(await messageFrom(() => openModel(path), folder), message);
  });
}

test("a GGUF file cut anywhere is refused with our error", { timeout: 60_000 }, async () => {
  const whole = ggufBytes(metadata, tensors);
  for (let length = 0; length < whole.length - 128; length += 997) {
    const path = put("cut.gguf", whole.subarray(0, length));
    await assert.rejects(
      openModel(path),
      (error) => error instanceof UnreciteError && error.exitCode === 2,
    );
  }
});

test("values that change nothing are not refused", async () => {
  const plain = {
    "llama.rope.scale_linear": 1,
    "llama.rope.dimension_count": 4,
    "llama.attention.key_length": 4,
    "llama.attention.value_length": 4,
    "llama.attention.sliding_window": 64,
    "llama.logit_scale": 1,
  };
  const model = await openModel(put("plain.gguf", ggufBytes({ ...metadata, ...plain }, tensors)));
  assert.equal(model.config["head_dim"], 4);
  model.close();
});
