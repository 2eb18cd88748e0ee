/** @file `memorize` on the command line. */
import { MEMORIZE } from "../../verbs/flags.ts";
import { memorize } from "../../verbs/memorize.ts";
import type { Invocation } from "../invocation.ts";
import { longCommand, percent } from "../long.ts";
import { skippedLines } from "../skipped.ts";

export const run = (call: Invocation): Promise<number> =>
  longCommand({
    name: "memorize",
    table: MEMORIZE,
    call,
    async execute({ options, signal, onEvent, onFacts }) {
      const result = await memorize(options, { signal, onEvent, onFacts });
      const [before, after] = [
        result.before.heldout?.["perplexity"]?.value,
        result.after.heldout?.["perplexity"]?.value,
      ];
      const summary = [
        `recited    ${result.recited} of ${result.texts} texts (${percent(result.recited / result.texts)}) after ${result.epochs} epochs`,
        ...(result.doses ?? []).map(
          (d) =>
            `dose ${d.repeats}`.padEnd(11) +
            `${d.recited} of ${d.texts} recited, accuracy ${d.memorization_accuracy.toFixed(3)}, nll ${d.suffix_nll.toFixed(3)}`,
        ),
        ...(before !== undefined && after !== undefined
          ? [
              `held-out   perplexity ${before.toFixed(2)} → ${after.toFixed(2)} (x ${(after / before).toFixed(3)})`,
            ]
          : []),
        ...skippedLines(result),
        `model      ${result.out}`,
        `took       ${result.seconds.toFixed(0)} s`,
      ];
      return { result, exitCode: 0, summary };
    },
  });
