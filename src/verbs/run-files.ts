/** @file What a command may write into its run directory, without knowing how runs are kept. */
import { existsSync, lstatSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { sha256 } from "../io/index.ts";
import { parseEvents } from "../run/events.ts";
import type { RunDirectory, TextLine } from "../run/index.ts";
import type { Window } from "../eval/index.ts";
import { textsAbove, worstWindows, type Level } from "../unlearn/level.ts";
import type { RunFiles } from "./erase-types.ts";

export function runFiles(run: RunDirectory): RunFiles {
  const own = new Set([run.file("patch"), run.file("patch.safetensors")]);
  return {
    hashText: run.hashText,
    checkpoint: run.file("checkpoint/state.safetensors"),
    patch: (kind) => run.file(kind === "factors" ? "patch" : "patch.safetensors"),
    wrote: (path) => run.event({ type: "output", path: resolve(path), print: printOf(path) }),
    owns(path) {
      const events = eventsOf(run);
      if (own.has(path)) return events.some((e) => e["type"] === "resume");
      const noted = events.filter((e) => e["type"] === "output" && e["path"] === resolve(path));
      const print = printOf(path);
      return print !== undefined && noted.some((e) => e["print"] === print);
    },
    async saveTexts(sets, before, after, goal, outcome, includeText) {
      const { windows } = sets.forget;
      const late = textsAbove(outcome.after.levels, goal, windows);
      const worst = worstWindows(outcome.after.levels, goal, windows);
      const steps = stepsOf(outcome.reachedAt, windows);
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
            worst: asMetrics(outcome.after.levels[worst[i]!]!),
            target: asMetrics(goal.perWindow[worst[i]!]!),
            step: steps[i]!,
          }),
          status: name !== "forget" ? "measured" : late.has(i) ? "incomplete" : "erased",
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

const asMetrics = ({ accuracy, nll }: Level) => ({
  memorization_accuracy: accuracy,
  suffix_nll: nll,
});

/** The step at which the last window of each text came to its target; null where one has not. */
function stepsOf(
  reachedAt: readonly (number | null)[],
  windows: readonly Window[],
): (number | null)[] {
  const steps: (number | null)[] = [];
  windows.forEach(({ text }, i) => {
    const [own, others] = [reachedAt[i] ?? null, steps[text]];
    if (others === undefined) steps[text] = own;
    else steps[text] = own === null || others === null ? null : Math.max(own, others);
  });
  return steps;
}

function eventsOf(run: RunDirectory): Record<string, unknown>[] {
  const path = run.file("events.jsonl");
  return existsSync(path) ? parseEvents(path, readFileSync(path, "utf8")).events : [];
}

/** A hash of names, sizes and times: what was changed or put there since is not ours to replace. */
function printOf(path: string): string | undefined {
  const at = statSync(path, { throwIfNoEntry: false });
  if (at === undefined) return undefined;
  const names = at.isDirectory() ? readdirSync(path).sort() : [""];
  const lines = names.map((name) => {
    const { size, mtimeMs } = lstatSync(join(path, name));
    return `${JSON.stringify(name)} ${size} ${mtimeMs}\n`;
  });
  return sha256(lines.join(""));
}
