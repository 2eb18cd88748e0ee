/** @file Task arithmetic (Ilharco et al. 2023, "Editing Models with Task Arithmetic", arXiv 2212.04089): a task vector, negated. */
import { breathe } from "../../models/index.ts";
import {
  add,
  copy_,
  disposeAll,
  keep,
  mulScalar,
  noGrad,
  sub,
  tidy,
  type Tensor,
} from "../../torch/index.ts";
import { batchesOf } from "../batches.ts";
import { nll } from "../losses/index.ts";
import { optimiser } from "../optimiser.ts";
import { trainingBatch } from "../rows.ts";
import { dropSnapshot, restore, takeSnapshot, type Snapshot } from "../snapshot.ts";
import { trainStep } from "../step.ts";
import type { DialInput, MakeDial } from "./types.ts";

/**
 * θ = θ0 - α (θ_FT - θ0), θ_FT = θ0 after some more passes of likelihood over the forget set; α is the strength. A positive α goes
 * against learning the texts, from α = 0, which is θ0, without end. Not θ0 - α θ_FT, which shrinks every weight. In directions θ0
 * has B = 0 and θ_FT has B_FT, so that B = -α B_FT.
 */
export const taskArithmetic: MakeDial = async (input) => {
  const { writer } = input;
  const start = takeSnapshot(writer);
  try {
    await fineTune(input);
    const vector = difference(writer.variables, start);
    restore(writer, start);
    const set = (alpha: number) => {
      noGrad(() => {
        for (const [name, variable] of writer.variables) {
          tidy(() => copy_(variable, add(start.get(name)!, mulScalar(vector.get(name)!, -alpha))));
        }
      });
      writer.publish();
    };
    const dispose = () => disposeAll([start, vector]);
    return { dial: { name: "task_arithmetic", set }, dispose };
  } catch (error) {
    dropSnapshot(start);
    throw error;
  }
};

async function fineTune(input: DialInput): Promise<void> {
  const { arch, writer, windows, tokens, settings, seed, signal, onProgress } = input;
  const { batch, tunePasses: passes, tuneLr: lr } = settings;
  const adam = optimiser({ project: writer.project });
  const all = [...windows.keys()];
  const batches = batchesOf(all, { batch, passes, full: 0, seed, epoch: 0 });
  try {
    for (const [i, chosen] of batches.entries()) {
      tidy(() => {
        const training = trainingBatch(
          chosen.map((m) => windows[m]!),
          chosen.map((m) => tokens[m]!),
        );
        return trainStep(arch, writer, adam, training, () => nll, { lr });
      });
      onProgress?.("fine-tuning", i + 1, batches.length);
      await breathe(signal);
    }
  } finally {
    adam.dispose();
  }
}

const difference = (variables: ReadonlyMap<string, Tensor>, start: Snapshot): Snapshot =>
  noGrad(
    () =>
      new Map(
        [...variables].map(([name, v]) => [name, tidy(() => keep(sub(v, start.get(name)!)))]),
      ),
  );
