/** @file The result document of an erasure. */
import type { EraseResult } from "../eval/index.ts";
import type { LoopOutcome } from "../unlearn/loop-types.ts";
import { overForgotten, textsAbove, type Goal } from "../unlearn/level.ts";
import type { MethodSettings } from "../unlearn/methods/index.ts";
import type { Prepared } from "../unlearn/prepare.ts";
import { evaluateDocument } from "./erase-sets.ts";
import type { EraseValues, Evaluated, Outputs, PreviousResult, Sets } from "./erase-types.ts";
import { peakRss } from "./session.ts";
import { skippedIn, type TextSet } from "./sets.ts";

type ResultInput = {
  values: EraseValues;
  settings: MethodSettings;
  goal: Goal;
  before: Evaluated;
  after: Evaluated;
  outcome: LoopOutcome;
  prepared: Prepared;
  outputs: Outputs;
  sets: Sets;
  retain: TextSet | undefined;
  previous: PreviousResult[];
  started: number;
};

export function resultOf({
  values,
  settings,
  goal,
  before,
  after,
  outcome,
  prepared,
  outputs,
  sets,
  retain,
  previous,
  started,
}: ResultInput): EraseResult {
  const { levels } = outcome.after;
  const { forget, kept, unseen, heldout } = sets;
  const { windows, ids, skipped } = forget;
  const waiting = textsAbove(levels, goal, windows).size;
  const { selected, total, rank, metric = settings.select } = prepared.writer.selection;
  const recited = after.forget!.rows.filter((r) => r?.["exact_match"] === 1).length;
  return {
    schema: "unrecite/erase/v1",
    method: values.method,
    status: outcome.status,
    target: {
      from: goal.from,
      memorization_accuracy: goal.mean.accuracy,
      suffix_nll: goal.mean.nll,
    },
    before: evaluateDocument(before),
    after: evaluateDocument(after),
    texts: {
      total: ids.length + skipped.length,
      erased: ids.length - waiting,
      incomplete: waiting,
      skipped: skipped.length,
      recited,
    },
    ...skippedIn({ forget, kept, unseen, heldout, retain }),
    over_forgotten: overForgotten(levels, goal, windows),
    selection: { metric, fraction: selected / total, rank, selected, total },
    patch: outputs.patch,
    out: outputs.out,
    previous,
    epochs: outcome.epochs,
    steps: outcome.steps,
    backoffs: outcome.backoffs,
    seconds: (performance.now() - started) / 1000,
    peak_rss_bytes: peakRss(),
    resumed_from: values.resume ?? null,
  };
}
