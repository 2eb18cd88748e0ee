/** @file Small models for the tests of patches: two linear layers, a norm and an embedding; single or sharded, float32 or bfloat16. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openModel, writeSafetensors, type ModelSource } from "../src/io/index.ts";
import { writeFactors, writeSparse, type About, type PatchInfo } from "../src/patch/index.ts";
import {
  fromBytes,
  keep,
  tensor,
  tidy,
  toDType,
  type DType,
  type Tensor,
} from "../src/torch/index.ts";
import { CONFIG, noise } from "./tiny.ts";

export const SHAPES: Record<string, readonly number[]> = {
  "model.embed_tokens.weight": [64, 48],
  "model.layers.0.mlp.down_proj.weight": [48, 96],
  "model.layers.0.mlp.up_proj.weight": [96, 48],
  "model.norm.weight": [48],
};
export const LINEARS = ["model.layers.0.mlp.down_proj", "model.layers.0.mlp.up_proj"];

export const about = (model: string): About => ({
  tool: "unrecite test",
  method: "test",
  settings: { lr: 1 },
  texts: ["ab", "cd"],
  base: { model, tokenizer: "none" },
});

export type ModelOptions = {
  dtype?: DType;
  sharded?: boolean;
  seed?: string;
  shapes?: Record<string, readonly number[]>;
};

const count = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Writes a model to `dir`; returns the directory. */
export async function patchModel(
  dir: string,
  { dtype = "float32", sharded = false, seed = "p", shapes = SHAPES }: ModelOptions = {},
): Promise<string> {
  mkdirSync(dir, { recursive: true });
  const entry = (name: string) => ({
    name,
    dtype,
    shape: shapes[name]!,
    bytes: () =>
      tidy(() =>
        toDType(tensor(noise(`${seed} ${name}`, count(shapes[name]!), 0.2)), dtype).bytes(),
      ),
  });
  const names = Object.keys(shapes);
  const half = Math.ceil(names.length / 2);
  const parts = sharded ? [names.slice(0, half), names.slice(half)] : [names];
  const files = parts.map((_, i) => (sharded ? `model-0000${i + 1}-of-00002` : "model"));
  for (const [i, part] of parts.entries()) {
    await writeSafetensors(join(dir, `${files[i]}.safetensors`), part.map(entry), {
      metadata: { format: "pt", note: "kept" },
    });
  }
  if (sharded) {
    const map = parts.flatMap((part, i) => part.map((name) => [name, `${files[i]}.safetensors`]));
    const index = { metadata: { total_size: 1 }, weight_map: Object.fromEntries(map) as object };
    writeFileSync(join(dir, "model.safetensors.index.json"), JSON.stringify(index));
  }
  writeFileSync(join(dir, "config.json"), JSON.stringify(CONFIG));
  writeFileSync(join(dir, "README.md"), "a model\n");
  return dir;
}

/** A factors patch of rank 4 on both linear layers. */
export async function factorsPatch(
  model: string,
  folder: string,
  { dtype = "float32" }: { dtype?: DType } = {},
): Promise<PatchInfo> {
  const source = await openModel(model);
  const owned: Tensor[] = [];
  const made = (name: string, shape: number[]) => {
    const t = tensor(noise(name, count(shape), 0.3), { shape });
    owned.push(keep(t));
    return t;
  };
  try {
    const factors = new Map(
      LINEARS.map((name) => {
        const [out, into] = SHAPES[`${name}.weight`] as [number, number];
        return [name, { u: made(`u ${name}`, [into, 4]), b: made(`b ${name}`, [out, 4]) }];
      }),
    );
    return await writeFactors(folder, source, factors, about(model), { dtype });
  } finally {
    for (const t of owned) t.dispose();
    source.close();
  }
}

/** A sparse patch that adds one to a share of the values of `names`, evenly strewn by a fixed draw. */
export async function sparsePatch(
  model: string,
  file: string,
  {
    share = 0.1,
    names = LINEARS.map((n) => `${n}.weight`),
  }: { share?: number; names?: string[] } = {},
): Promise<PatchInfo> {
  const source = await openModel(model);
  try {
    return await writeSparse(
      file,
      source,
      (name) => changedTensor(source, name, names, share),
      about(model),
    );
  } finally {
    source.close();
  }
}

function changedTensor(
  source: ModelSource,
  name: string,
  names: readonly string[],
  share: number,
): Tensor | undefined {
  if (!names.includes(name)) return undefined;
  const { shape, dtype } = source.info(name);
  const values = tidy(() => source.tensor(name).toFloats());
  let state = 1;
  for (let i = 0; i < values.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    if (state / 2 ** 32 < share) values[i]! += 1;
  }
  return toDType(fromBytes(new Uint8Array(values.buffer), shape, "float32"), dtype);
}
