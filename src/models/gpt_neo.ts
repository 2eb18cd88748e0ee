/**
 * @file GPT-Neo (Black et al. 2021): learned positions, full and 256-token local attention in turn, logits of attention
 * not scaled by 1/√d. Weight names as in Hugging Face checkpoints of model_type gpt_neo.
 */
import { z } from "zod";
import { inputError } from "../base/errors.ts";
import { activation, attend, attentionMask, layerNorm } from "../nn/index.ts";
import { add, embedding, reshape, tensor, transpose, view, type Tensor } from "../torch/index.ts";
import { positionsOf } from "./batch.ts";
import { parseConfig, positive } from "./config.ts";
import type { Architecture, Context, LinearSpec, ModelDef, Weights } from "./types.ts";

const fields = z.looseObject({
  hidden_size: positive,
  intermediate_size: positive.nullish(),
  num_layers: positive,
  num_heads: positive,
  vocab_size: positive,
  max_position_embeddings: positive.default(2048),
  window_size: positive.default(256),
  attention_types: z
    .array(z.tuple([z.array(z.string()), z.number().int().nonnegative()]))
    .optional(),
  attention_layers: z.array(z.string()).optional(),
  layer_norm_epsilon: z.number().default(1e-5),
  activation_function: z.string().default("gelu_new"),
  tie_word_embeddings: z.boolean().default(true),
});

type NeoContext = Context & { full: Tensor | undefined; local: Tensor | undefined };

function attention(
  w: Weights,
  name: string,
  x: Tensor,
  layer: number,
  heads: number,
  mask: Tensor | undefined,
  c: NeoContext,
): Tensor {
  const [batch, tokens, hidden] = x.shape as [number, number, number];
  const split = (y: Tensor) => transpose(view(y, [batch, tokens, heads, hidden / heads]), 1, 2); // (B, H, T, d)
  const q = split(w.linear(`${name}.q_proj`, x));
  const k = split(w.linear(`${name}.k_proj`, x));
  const v = split(w.linear(`${name}.v_proj`, x));
  const mixed = attend(q, k, v, { layer, cache: c.cache, mask, scale: 1 });
  return w.linear(`${name}.out_proj`, reshape(transpose(mixed, 1, 2), [batch, tokens, hidden]));
}

function linearsOf(layer: number, hidden: number, inner: number): LinearSpec[] {
  const at = `transformer.h.${layer}`;
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
  return [
    one("attn.attention.q_proj", "attention", "attn_in", hidden, hidden),
    one("attn.attention.k_proj", "attention", "attn_in", hidden, hidden),
    one("attn.attention.v_proj", "attention", "attn_in", hidden, hidden),
    one("attn.attention.out_proj", "attention", "attn_out", hidden, hidden),
    one("mlp.c_fc", "mlp", "mlp_in", hidden, inner),
    one("mlp.c_proj", "mlp", "mlp_out", inner, hidden),
  ];
}

const unbiased = /attention\.[qkv]_proj$/;
const normNames = (at: string) => [
  `${at}.ln_1.weight`,
  `${at}.ln_1.bias`,
  `${at}.ln_2.weight`,
  `${at}.ln_2.bias`,
];

function attentionKinds(c: z.infer<typeof fields>): string[] {
  const kinds =
    c.attention_layers ??
    (c.attention_types ?? [[["global"], c.num_layers] as const]).flatMap(([names, times]) =>
      Array.from({ length: times }, () => names).flat(),
    );
  if (kinds.length !== c.num_layers || kinds.some((k) => k !== "global" && k !== "local")) {
    throw inputError(
      `config.json: expected ${c.num_layers} attention layers of kind global or local, got [${kinds.join(", ")}]`,
      {
        wayOut: "check attention_types against num_layers",
      },
    );
  }
  return kinds;
}

function build(config: Record<string, unknown>): Architecture<NeoContext> {
  const c = parseConfig("gpt_neo", fields, config);
  const [hidden, layers, eps] = [c.hidden_size, c.num_layers, c.layer_norm_epsilon];
  const inner = c.intermediate_size ?? 4 * hidden;
  const kinds = attentionKinds(c);
  const act = activation(c.activation_function);
  const linears = Array.from({ length: layers }, (_, i) => linearsOf(i, hidden, inner)).flat();
  const head = c.tie_word_embeddings ? "transformer.wte.weight" : "lm_head.weight";

  const shapes = new Map<string, readonly number[]>([
    ["transformer.wte.weight", [c.vocab_size, hidden]],
    ["transformer.wpe.weight", [c.max_position_embeddings, hidden]],
    ["transformer.ln_f.weight", [hidden]],
    ["transformer.ln_f.bias", [hidden]],
    [head, [c.vocab_size, hidden]],
  ]);
  for (const l of linears) {
    shapes.set(`${l.name}.weight`, [l.outFeatures, l.inFeatures]);
    if (!unbiased.test(l.name)) shapes.set(`${l.name}.bias`, [l.outFeatures]);
  }
  const blocks = Array.from({ length: layers }, (_, i) => normNames(`transformer.h.${i}`));
  for (const name of blocks.flat()) shapes.set(name, [hidden]);

  return {
    modelType: "gpt_neo",
    layers,
    hidden,
    vocab: c.vocab_size,
    maxPositions: c.max_position_embeddings,
    shapes,
    linears,
    parts: {
      embed: ["transformer.wte.weight", "transformer.wpe.weight"],
      blocks,
      final: ["transformer.ln_f.weight", "transformer.ln_f.bias"],
    },
    head,
    ignored: c.tie_word_embeddings
      ? /attn\.attention\.(masked_)?bias$|^lm_head\.weight$/
      : /attn\.attention\.(masked_)?bias$/,
    context(batch, dtype) {
      const span = {
        batch: batch.rows.length,
        tokens: batch.rows[0]!.length,
        padding: batch.leftPadding,
        cache: batch.cache,
      };
      return {
        cache: batch.cache,
        full: attentionMask(span, { dtype }),
        local: attentionMask(span, { window: c.window_size, dtype }),
      };
    },
    embed(w, batch) {
      const at = positionsOf(batch);
      const shape = Array.isArray(at[0])
        ? [batch.rows.length, batch.rows[0]!.length]
        : [batch.rows[0]!.length];
      const positions = tensor(at.flat(), { shape, dtype: "int64" });
      return add(
        embedding(w.get("transformer.wte.weight"), batch.ids),
        embedding(w.get("transformer.wpe.weight"), positions),
      );
    },
    block(w, i, x, context) {
      const at = `transformer.h.${i}`;
      const norm = (y: Tensor, name: string) =>
        layerNorm(y, w.get(`${at}.${name}.weight`), w.get(`${at}.${name}.bias`), { eps });
      const mask = kinds[i] === "local" ? context.local : context.full;
      const h = add(
        x,
        attention(w, `${at}.attn.attention`, norm(x, "ln_1"), i, c.num_heads, mask, context),
      );
      return add(h, w.linear(`${at}.mlp.c_proj`, act(w.linear(`${at}.mlp.c_fc`, norm(h, "ln_2")))));
    },
    final: (w, x) =>
      layerNorm(x, w.get("transformer.ln_f.weight"), w.get("transformer.ln_f.bias"), { eps }),
  };
}

export const gptNeo: ModelDef = {
  modelType: "gpt_neo",
  summary: "GPT-Neo 125M, 1.3B, 2.7B: learned positions, full and local attention in turn",
  build: build,
};
