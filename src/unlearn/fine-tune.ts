/** @file Likelihood of the forget set, raised on purpose: what some methods then go against. */
import { breathe } from "../models/index.ts";
import { tidy } from "../torch/index.ts";
import { batchesOf } from "./batches.ts";
import type { DialInput } from "./dials/types.ts";
import { nll } from "./losses/index.ts";
import { optimiser } from "./optimiser.ts";
import { trainingBatch } from "./rows.ts";
import { trainStep } from "./step.ts";

type Input = Pick<
  DialInput,
  "arch" | "writer" | "windows" | "tokens" | "settings" | "seed" | "signal" | "onProgress"
>;

/** Passes of `settings.tunePasses` over all windows; the writer then holds θ_FT. */
export async function fineTune(input: Input): Promise<void> {
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
