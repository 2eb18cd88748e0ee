/** @file Task arithmetic (Ilharco et al. 2023, "Editing Models with Task Arithmetic", arXiv 2212.04089): a task vector, negated. */
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
import { fineTune } from "../fine-tune.ts";
import { dropSnapshot, restore, takeSnapshot, type Snapshot } from "../snapshot.ts";
import type { MakeDial } from "./types.ts";

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

const difference = (variables: ReadonlyMap<string, Tensor>, start: Snapshot): Snapshot =>
  noGrad(
    () =>
      new Map(
        [...variables].map(([name, v]) => [name, tidy(() => keep(sub(v, start.get(name)!)))]),
      ),
  );
