/** @file Which writer a method's settings ask for, made at θ0: weights, factors, a mask, a prompt, or a rule on logits. */
import { randomIntegers } from "../base/random.ts";
import { prompted, type Architecture } from "../models/index.ts";
import { disposeAll } from "../torch/index.ts";
import { fineTune } from "./fine-tune.ts";
import type { MethodSettings } from "./methods/index.ts";
import { preconditioners } from "./precondition.ts";
import { selfProjection } from "./projection.ts";
import { selectorNamed, type SelectInput } from "./select/index.ts";
import { decodingWriter } from "./writers/decoding.ts";
import { factorsWriter, type Directions } from "./writers/factors.ts";
import { maskedWriter } from "./writers/masked.ts";
import { promptWriter } from "./writers/prompt.ts";
import type { Writer } from "./writers/types.ts";
import { weightsWriter } from "./writers/weights.ts";

/** A writer, the architecture its weights run in, and what its steps go through. */
type Made = { arch: Architecture; writer: Writer; project?: Writer["project"] };

export function makeWriter(input: SelectInput, settings: MethodSettings): Promise<Made> {
  switch (settings.writes) {
    case "weights":
      return toWeights(input, settings);
    case "mask": {
      const { arch, params, eligible } = input;
      return Promise.resolve({ arch, writer: maskedWriter(arch, params, eligible, settings) });
    }
    case "prompt":
      return Promise.resolve(toPrompt(input, settings));
    case "decoding":
      return toDecoding(input, settings);
  }
}

async function toWeights(input: SelectInput, settings: MethodSettings): Promise<Made> {
  const { arch, params, weights, eligible, signal, onProgress } = input;
  const selector = selectorNamed(settings.select);
  if (selector.kind === "directions") {
    const writer = await toFactors(input, settings, await selector.select(input));
    return { arch, writer, project: writer.project };
  }
  const selected = await selector.select(input);
  const onBlock = (done: number, total: number) => onProgress?.("projection", done, total);
  const projection =
    settings.project === "self"
      ? await selfProjection(arch, weights, await input.ordinary(), {
          ridge: settings.ridge,
          signal,
          onBlock,
        })
      : undefined;
  const options = projection && { project: projection.project, disposeProject: projection.dispose };
  return {
    arch,
    writer: weightsWriter(arch, params, eligible, selected, options),
    project: projection?.project,
  };
}

/** Takes ownership of the directions. */
async function toFactors(
  input: SelectInput,
  { precondition }: MethodSettings,
  directions: Directions,
): Promise<Writer> {
  const { arch, params } = input;
  if (precondition === "none") return factorsWriter(arch, params, directions);
  try {
    const layers = arch.linears.filter((l) => directions.has(l.name));
    const made = await preconditioners(input, layers);
    return factorsWriter(arch, params, directions, { preconditioners: made });
  } catch (error) {
    disposeAll(directions);
    throw error;
  }
}

function toPrompt({ arch, params, seed }: SelectInput, { promptTokens }: MethodSettings): Made {
  const tokens = randomIntegers(`prompt ${seed}`, arch.vocab, promptTokens);
  return { arch: prompted(arch, tokens.length), writer: promptWriter(arch, params, tokens) };
}

/** The reinforced model of a contrast is θ0 fine-tuned on the texts, wherever the selector lets it be written. */
async function toDecoding(input: SelectInput, settings: MethodSettings): Promise<Made> {
  const { arch, params } = input;
  if (settings.dial === "dp_decoding") {
    return decodingWriter(arch, params, "dp_decoding", undefined);
  }
  const { writer } = await toWeights(input, settings);
  try {
    await fineTune({ ...input, writer, settings });
    return decodingWriter(arch, params, "contrastive_decoding", writer);
  } catch (error) {
    writer.dispose();
    throw error;
  }
}
