/** @file The configuration that PEFT and vLLM read beside the factors, and the names of the factors in their file. */

/** Names of a layer's factors as PEFT writes them: down is lora_A (r, in), up is lora_B (out, r). */
export const LAYER = {
  down: (layer: string): string => `base_model.model.${layer}.lora_A.weight`,
  up: (layer: string): string => `base_model.model.${layer}.lora_B.weight`,
};

/** LoRA with a scale of 1: alpha is the rank, also where a layer's rank is not the usual one. */
export function adapterConfig(
  ranks: ReadonlyMap<string, number>,
  names: readonly string[],
  { base, transposed }: { base: string; transposed: boolean },
): Record<string, unknown> {
  const rank = Math.max(...ranks.values());
  const others = Object.fromEntries([...ranks].filter(([, r]) => r !== rank));
  return {
    peft_type: "LORA",
    task_type: "CAUSAL_LM",
    base_model_name_or_path: base,
    r: rank,
    lora_alpha: rank,
    lora_dropout: 0,
    bias: "none",
    fan_in_fan_out: transposed,
    inference_mode: true,
    target_modules: targets([...ranks.keys()], names),
    rank_pattern: others,
    alpha_pattern: others,
  };
}

const last = (name: string): string => name.split(".").at(-1)!;

/** Last parts of the layers' names when these say it all; else whole names, lest PEFT wraps layers that have no factors. */
function targets(layers: readonly string[], names: readonly string[]): string[] {
  const parts = new Set(layers.map(last));
  const meant = names
    .filter((name) => name.endsWith(".weight"))
    .map((name) => name.slice(0, -".weight".length))
    .filter((name) => parts.has(last(name)));
  return (meant.length === layers.length ? [...parts] : [...layers]).sort();
}
