/** @file A checkpoint becomes a model: every tensor accounted for, of the right shape, finite, in the compute dtype. */
import { inputError } from "../base/errors.ts";
import { openModel, type ModelSource, type Tokenizer } from "../io/index.ts";
import {
  all,
  isfinite,
  keep,
  noGrad,
  tidy,
  toDevice,
  type DType,
  type Tensor,
} from "../torch/index.ts";
import { architectureOf } from "./architecture.ts";
import type { Architecture, Weights } from "./types.ts";
import { plainWeights } from "./weights.ts";

export type Model = {
  readonly spec: string;
  readonly arch: Architecture;
  readonly params: ReadonlyMap<string, Tensor>;
  readonly weights: Weights;
  readonly tokenizer: Tokenizer;
  readonly source: ModelSource;
  readonly dtype: DType;
  dispose(): void;
};

/** What runs: a model's own parts, or those that a patch put around them. */
export type Served = Pick<Model, "arch" | "weights" | "dispose">;

/**
 * Loads a model directory, .gguf file or hf:owner/name to where the process computes. On the CPU, tensors already in `dtype`
 * stay mapped; the rest is converted.
 */
export async function loadModel(
  spec: string,
  { dtype = "float32" }: { dtype?: DType } = {},
): Promise<Model> {
  const source = await openModel(spec);
  const params = new Map<string, Tensor>();
  try {
    const arch = architectureOf(source.config);
    const tokenizer = await source.tokenizer();
    checkNames(spec, arch, source.names);
    if (tokenizer.vocabSize > arch.vocab) {
      throw inputError(
        `${spec}: expected a tokenizer of at most ${arch.vocab} tokens (vocab_size), got ${tokenizer.vocabSize}`,
        {
          wayOut: "check that tokenizer.json belongs to these weights",
        },
      );
    }
    for (const [name, shape] of arch.shapes) {
      params.set(name, loadTensor(spec, source, name, shape, dtype));
    }
    const dispose = () => {
      for (const tensor of params.values()) tensor.dispose();
      source.close();
    };
    return {
      spec,
      arch,
      params,
      weights: plainWeights(arch, params),
      tokenizer,
      source,
      dtype,
      dispose,
    };
  } catch (error) {
    for (const tensor of params.values()) tensor.dispose();
    source.close();
    throw error;
  }
}

function loadTensor(
  spec: string,
  source: ModelSource,
  name: string,
  shape: readonly number[],
  dtype: DType,
): Tensor {
  const info = source.info(name);
  if (info.shape.join() !== shape.join()) {
    throw inputError(
      `${spec}: ${name}: expected shape [${shape.join(", ")}], got [${info.shape.join(", ")}]`,
      {
        wayOut: "check that config.json belongs to these weights",
      },
    );
  }
  return noGrad(() =>
    tidy(() => {
      const stored = source.tensor(name);
      if (all(isfinite(stored)).toInts()[0] !== 1) {
        throw inputError(`${spec}: ${name}: expected finite weights, got NaN or infinity`, {
          wayOut: "use an intact checkpoint",
        });
      }
      return keep(toDevice(stored, dtype));
    }),
  );
}

function checkNames(spec: string, arch: Architecture, names: readonly string[]): void {
  const present = new Set(names);
  const missing = [...arch.shapes.keys()].filter((n) => !present.has(n));
  const extra = names.filter((n) => !arch.shapes.has(n) && !arch.ignored.test(n));
  if (missing.length === 0 && extra.length === 0) return;
  const some = (list: string[]) =>
    `${list.slice(0, 5).join(", ")}${list.length > 5 ? ` and ${list.length - 5} more` : ""}`;
  const parts = [
    ...(missing.length > 0 ? [`missing ${some(missing)}`] : []),
    ...(extra.length > 0 ? [`unexpected ${some(extra)}`] : []),
  ];
  throw inputError(
    `${spec}: expected the tensors of a ${arch.modelType} model, got ${parts.join("; ")}`,
    {
      wayOut:
        "check config.json (model_type, number of layers, tie_word_embeddings) against the weights",
    },
  );
}
