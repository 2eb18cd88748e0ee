/** @file The relearning attack: a tenth of the forgotten texts is taught again; how much of the rest comes back with it? */
import { shuffled } from "../../src/base/random.ts";
import { tokenStats, type Window } from "../../src/eval/index.ts";
import type { Architecture, Parameters } from "../../src/models/index.ts";
import { standingOf } from "../../src/unlearn/level.ts";
import { memorizeLoop } from "../../src/unlearn/memorize-loop.ts";

const LEARNING = { until: 1, epochs: 20, lr: 5e-5, batch: 8, mix: 0, repeats: 1 };

export type Relearned = {
  /** Windows taught, and epochs until all were recited twice in a row, or the most there are. */
  readonly taught: number;
  readonly epochs: number;
  /** Of the windows that were not taught. */
  readonly accuracy: number;
  readonly nll: number;
  readonly recited: number;
};

export async function relearned(
  arch: Architecture,
  params: Parameters,
  windows: readonly Window[],
  { seed }: { seed: number },
): Promise<Relearned> {
  const order = shuffled(`relearn ${seed}`, windows);
  const taught = order.slice(0, Math.ceil(windows.length / 10));
  const rest = order.slice(taught.length);
  const { writer, epochs } = await memorizeLoop(arch, params, taught, [], { ...LEARNING, seed });
  try {
    const stats = await tokenStats(arch, writer.trainable.weights, rest, { spread: false });
    const { accuracy, nll } = standingOf(stats, rest).mean;
    const recited = stats.filter((s) => s.correct.every((c) => c === 1)).length / rest.length;
    return { taught: taught.length, epochs, accuracy, nll, recited };
  } finally {
    writer.dispose();
  }
}
