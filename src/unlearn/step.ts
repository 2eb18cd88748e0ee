/** @file One training step: forward, backward, update. Gradients are consumed tensor by tensor unless they must be clipped. */
import { forwardBackward, type Architecture, type LossOf } from "../models/index.ts";
import {
  disposeAll,
  keep,
  mulScalar_,
  noGrad,
  tidy,
  vectorNorm,
  type Tensor,
} from "../torch/index.ts";
import type { Optimiser } from "./optimiser.ts";
import type { TrainingBatch } from "./rows.ts";
import type { Writer } from "./writers/types.ts";

export type StepOptions = {
  lr: number;
  /** Largest allowed norm of the whole gradient; without it no full gradient is held. */
  clip?: number;
  recompute?: boolean;
};

export type StepResult = { loss: number; gradNorm: number };

export function trainStep(
  arch: Architecture,
  writer: Writer,
  optimiser: Optimiser,
  { batch, rows }: TrainingBatch,
  lossOf: LossOf,
  { lr, clip, recompute = false }: StepOptions,
): StepResult {
  return tidy(() => {
    let squares = 0;
    const held = new Map<string, Tensor>();
    const update = (name: string, gradient: Tensor) =>
      optimiser.step(name, writer.variables.get(name)!, gradient, lr);
    const onGrad = (name: string, raw: Tensor) =>
      noGrad(() => {
        const gradient = writer.gradient(name, raw);
        squares += tidy(() => vectorNorm(gradient).item()) ** 2;
        if (clip === undefined) update(name, gradient);
        else held.set(name, keep(gradient));
      });
    const losses = forwardBackward(arch, writer.trainable, batch, rows, lossOf, {
      onGrad,
      recompute,
    });
    const gradNorm = Math.sqrt(squares);
    if (clip !== undefined) {
      const scale = Math.min(1, clip / (gradNorm + 1e-6));
      for (const [name, gradient] of held) {
        update(name, scale < 1 ? noGrad(() => mulScalar_(gradient, scale)) : gradient);
      }
      disposeAll(held);
    }
    writer.publish();
    const loss = losses.reduce((sum, l, i) => sum + l * rows.weights[i]!, 0);
    return { loss, gradNorm };
  });
}
