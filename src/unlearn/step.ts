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

/** Norm of the gradient, or |slope| along the one direction that was looked at; the unweighted loss of each row. */
export type StepResult = {
  loss: number;
  gradNorm?: number;
  slope?: number;
  perRow: ArrayLike<number>;
};

/** What a step is told: `step` counts those before it, from 0: whatever is drawn for it depends on the number. */
export type StepAt = {
  readonly lr: number;
  readonly step: number;
  /** Windows of the first sequences of the batch; what follows joins them. */
  readonly members: readonly number[];
};

export type Stepper = (training: TrainingBatch, lossOf: LossOf, at: StepAt) => StepResult;

/** By the gradient of the batch. */
export const gradientSteps =
  (arch: Architecture, writer: Writer, optimiser: Optimiser): Stepper =>
  (training, lossOf, { lr }) =>
    trainStep(arch, writer, optimiser, training, lossOf, { lr });

export function trainStep(
  arch: Architecture,
  writer: Writer,
  optimiser: Optimiser,
  { batch, rows }: TrainingBatch,
  lossOf: LossOf,
  { lr, clip, recompute = false }: StepOptions,
): StepResult & { gradNorm: number } {
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
    try {
      const losses = forwardBackward(arch, writer.trainable, batch, rows, lossOf, {
        onGrad,
        recompute,
      });
      const gradNorm = Math.sqrt(squares);
      const scale = Math.min(1, (clip ?? Infinity) / (gradNorm + 1e-6));
      for (const [name, gradient] of held) {
        update(name, scale < 1 ? noGrad(() => mulScalar_(gradient, scale)) : gradient);
      }
      writer.publish();
      const loss = losses.reduce((sum, l, i) => sum + l * rows.weights[i]!, 0);
      return { loss, gradNorm, perRow: losses };
    } finally {
      disposeAll(held);
    }
  });
}
