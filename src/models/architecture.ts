/** @file The models, by their Hub `model_type`. Adding one: its file, a row here, a golden. */
import { unknownName } from "../base/errors.ts";
import { gptNeo } from "./gpt_neo.ts";
import { llama } from "./llama.ts";
import type { Architecture, ModelDef } from "./types.ts";

export const MODELS = { gpt_neo: gptNeo, llama } satisfies Record<string, ModelDef>;

/** The architecture that a config.json describes. */
export function architectureOf(config: Record<string, unknown>): Architecture {
  const named = config["model_type"];
  const type = typeof named === "string" ? named : "(missing)";
  if (!Object.hasOwn(MODELS, type)) throw unknownName("model_type", type, Object.keys(MODELS));
  return MODELS[type as keyof typeof MODELS].build(config);
}
