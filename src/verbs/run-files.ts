/** @file What a command may write into its run directory, without knowing how runs are kept. */
import type { RunDirectory, TextLine } from "../run/index.ts";
import { isAt } from "../unlearn/level.ts";
import type { RunFiles } from "./erase-types.ts";

export function runFiles(run: RunDirectory): RunFiles {
  return {
    hashText: run.hashText,
    checkpoint: run.file("checkpoint/state.safetensors"),
    patch: (kind) => run.file(kind === "factors" ? "patch" : "patch.safetensors"),
    async saveTexts(sets, before, after, goal, outcome, includeText) {
      const lines = (["forget", "kept", "unseen"] as const).flatMap((name) => {
        const set = sets[name];
        if (set === undefined) return [];
        const rows = set.ids.map((id, i): TextLine => ({
          id,
          set: name,
          hash: run.hashText(set.contents[i]!),
          ...(before[name]?.rows[i] && { before: before[name].rows[i] }),
          ...(after[name]?.rows[i] && { after: after[name].rows[i] }),
          ...(name === "forget" && {
            target: {
              memorization_accuracy: goal.perText[i]!.accuracy,
              suffix_nll: goal.perText[i]!.nll,
            },
            step: outcome.reachedAt[i] ?? null,
          }),
          status:
            name !== "forget"
              ? "measured"
              : isAt(outcome.after.levels[i]!, goal.perText[i]!)
                ? "erased"
                : "incomplete",
          ...(includeText && { text: set.contents[i]! }),
        }));
        const skipped = set.skipped.map((id): TextLine => ({
          id,
          set: name,
          hash: "",
          status: "skipped",
        }));
        return [...rows, ...skipped];
      });
      await run.saveTexts(lines);
    },
  };
}
