/**
 * @file Llama (Touvron et al. 2023): pre-norm, rotary attention with grouped keys, gated MLP. Weight names as in Hugging
 * Face checkpoints of model_type llama.
 */
import { z } from "zod";
import { inputError } from "../base/errors.ts";
import {
  activation,
  attend,
  attentionMask,
  rmsNorm,
  rotate,
  rotation,
  ropeFrequencies,
  type RopeScaling,
  type Rotation,
} from "../nn/index.ts";
import { add, embedding, mul, reshape, transpose, view, type Tensor } from "../torch/index.ts";
import { parseConfig, positive } from "./config.ts";
import { positionsOf } from "./batch.ts";
import type { Architecture, Context, LinearSpec, ModelDef, Weights } from "./types.ts";

const ropeFields = z.looseObject({
  rope_type: z.string().optional(),
  type: z.string().optional(),
  rope_theta: z.number().optional(),
  factor: z.number().optional(),
  low_freq_factor: z.number().optional(),
  high_freq_factor: z.number().optional(),
  original_max_position_embeddings: z.number().optional(),
});

const fields = z.looseObject({
  hidden_size: positive,
  intermediate_size: positive,
  num_hidden_layers: positive,
  num_attention_heads: positive,
  num_key_value_heads: positive.nullish(),
  head_dim: positive.nullish(),
  vocab_size: positive,
  max_position_embeddings: positive.default(2048),
  rms_norm_eps: z.number().default(1e-6),
  rope_theta: z.number().nullish(),
  rope_scaling: ropeFields.nullish(),
  rope_parameters: ropeFields.nullish(),
  hidden_act: z.string().default("silu"),
  tie_word_embeddings: z.boolean().default(false),
  attention_bias: z.boolean().default(false),
  mlp_bias: z.boolean().default(false),
});

type LlamaContext = Context & { rotation: Rotation; mask: Tensor | undefined };
type Shape = { heads: number; keyHeads: number; headDim: number };

function scalingOf(rope: z.infer<typeof ropeFields> | null | undefined): RopeScaling {
  const type = rope?.rope_type ?? rope?.type ?? "default";
  if (rope === null || rope === undefined || type === "default") return { type: "none" };
  if (type === "linear") return { type: "linear", factor: rope.factor ?? 1 };
  if (type === "llama3") {
    return {
      type: "llama3",
      factor: rope.factor ?? 8,
      lowFrequency: rope.low_freq_factor ?? 1,
      highFrequency: rope.high_freq_factor ?? 4,
      originalPositions: rope.original_max_position_embeddings ?? 8192,
    };
  }
  throw inputError(`config.json: expected rope_type default, linear or llama3, got "${type}"`, {
    wayOut: "use a checkpoint without this rotary scaling",
  });
}

function attention(
  w: Weights,
  name: string,
  x: Tensor,
  layer: number,
  s: Shape,
  c: LlamaContext,
): Tensor {
  const [batch, tokens] = x.shape as [number, number, number];
  const split = (y: Tensor, heads: number) => view(y, [batch, tokens, heads, s.headDim]); // (B, T, H, d)
  const turned = (y: Tensor, heads: number) => rotate(split(y, heads), c.rotation);
  const q = transpose(turned(w.linear(`${name}.q_proj`, x), s.heads), 1, 2); // (B, H, T, d)
  const k = transpose(turned(w.linear(`${name}.k_proj`, x), s.keyHeads), 1, 2); // (B, Hk, T, d)
  const v = transpose(split(w.linear(`${name}.v_proj`, x), s.keyHeads), 1, 2);
  const mixed = attend(q, k, v, {
    layer,
    cache: c.cache,
    mask: c.mask,
    scale: 1 / Math.sqrt(s.headDim),
  });
  return w.linear(
    `${name}.o_proj`,
    reshape(transpose(mixed, 1, 2), [batch, tokens, s.heads * s.headDim]),
  );
}

function mlp(w: Weights, name: string, x: Tensor, act: (x: Tensor) => Tensor): Tensor {
  const gated = mul(act(w.linear(`${name}.gate_proj`, x)), w.linear(`${name}.up_proj`, x)); // (B, T, F)
  return w.linear(`${name}.down_proj`, gated);
}

function linearsOf(layer: number, hidden: number, inner: number, s: Shape): LinearSpec[] {
  const at = `model.layers.${layer}`;
  const one = (
    name: string,
    kind: LinearSpec["kind"],
    input: string,
    inFeatures: number,
    outFeatures: number,
  ) => ({
    name: `${at}.${name}`,
    block: layer,
    kind,
    input: `${at}.${input}`,
    inFeatures,
    outFeatures,
  });
  const [all, keys] = [s.heads * s.headDim, s.keyHeads * s.headDim];
  return [
    one("self_attn.q_proj", "attention", "attn_in", hidden, all),
    one("self_attn.k_proj", "attention", "attn_in", hidden, keys),
    one("self_attn.v_proj", "attention", "attn_in", hidden, keys),
    one("self_attn.o_proj", "attention", "attn_out", all, hidden),
    one("mlp.gate_proj", "mlp", "mlp_in", hidden, inner),
    one("mlp.up_proj", "mlp", "mlp_in", hidden, inner),
    one("mlp.down_proj", "mlp", "mlp_out", inner, hidden),
  ];
}

function build(config: Record<string, unknown>): Architecture<LlamaContext> {
  const c = parseConfig("llama", fields, config);
  const heads = c.num_attention_heads;
  const s: Shape = {
    heads,
    keyHeads: c.num_key_value_heads ?? heads,
    headDim: c.head_dim ?? c.hidden_size / heads,
  };
  const layers = c.num_hidden_layers;
  const rope = c.rope_parameters ?? c.rope_scaling;
  const theta = c.rope_parameters?.rope_theta ?? c.rope_theta ?? 10000;
  const frequencies = ropeFrequencies(s.headDim, theta, scalingOf(rope));
  const act = activation(c.hidden_act);
  const eps = c.rms_norm_eps;
  const linears = Array.from({ length: layers }, (_, i) =>
    linearsOf(i, c.hidden_size, c.intermediate_size, s),
  ).flat();
  const norms = (i: number) => [
    `model.layers.${i}.input_layernorm.weight`,
    `model.layers.${i}.post_attention_layernorm.weight`,
  ];
  const head = c.tie_word_embeddings ? "model.embed_tokens.weight" : "lm_head.weight";

  const shapes = new Map<string, readonly number[]>([
    ["model.embed_tokens.weight", [c.vocab_size, c.hidden_size]],
    ["model.norm.weight", [c.hidden_size]],
    [head, [c.vocab_size, c.hidden_size]],
  ]);
  for (const l of linears) {
    shapes.set(`${l.name}.weight`, [l.outFeatures, l.inFeatures]);
    if (l.kind === "attention" ? c.attention_bias : c.mlp_bias) {
      shapes.set(`${l.name}.bias`, [l.outFeatures]);
    }
  }
  for (let i = 0; i < layers; i++) for (const n of norms(i)) shapes.set(n, [c.hidden_size]);

  return {
    modelType: "llama",
    layers,
    hidden: c.hidden_size,
    vocab: c.vocab_size,
    maxPositions: c.max_position_embeddings,
    shapes,
    linears,
    parts: {
      embed: ["model.embed_tokens.weight"],
      blocks: Array.from({ length: layers }, (_, i) => norms(i)),
      final: ["model.norm.weight"],
    },
    head,
    ignored: c.tie_word_embeddings
      ? /rotary_emb\.inv_freq$|^lm_head\.weight$/
      : /rotary_emb\.inv_freq$/,
    context: (batch, dtype) => ({
      cache: batch.cache,
      rotation: rotation(positionsOf(batch), frequencies, dtype),
      mask: attentionMask(
        {
          batch: batch.rows.length,
          tokens: batch.rows[0]!.length,
          padding: batch.leftPadding,
          cache: batch.cache,
        },
        { dtype },
      ),
    }),
    embed: (w, batch) => embedding(w.get("model.embed_tokens.weight"), batch.ids),
    block(w, i, x, context) {
      const at = `model.layers.${i}`;
      const attended = attention(
        w,
        `${at}.self_attn`,
        rmsNorm(x, w.get(`${at}.input_layernorm.weight`), { eps }),
        i,
        s,
        context,
      );
      const h = add(x, attended);
      return add(
        h,
        mlp(
          w,
          `${at}.mlp`,
          rmsNorm(h, w.get(`${at}.post_attention_layernorm.weight`), { eps }),
          act,
        ),
      );
    },
    final: (w, x) => rmsNorm(x, w.get("model.norm.weight"), { eps }),
  };
}

export const llama: ModelDef = {
  modelType: "llama",
  summary:
    "Llama and its kin: rotary attention, grouped keys, gated MLP (SmolLM2, Llama 2 and 3, TinyLlama)",
  build: build,
};
