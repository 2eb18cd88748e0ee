/** @file How texts that were left out are told: how many of each set, and the first of them by name. */
import type { EvaluateResult } from "../eval/index.ts";

const NAMED = 6;

/** A line for each set with skipped texts. */
export const skippedLines = ({ skipped_ids = {} }: Pick<EvaluateResult, "skipped_ids">): string[] =>
  Object.entries(skipped_ids).map(([set, ids]) => {
    const more = ids.length > NAMED ? ", …" : "";
    return `skipped    ${ids.length} of ${set}, too short: ${ids.slice(0, NAMED).join(", ")}${more}`;
  });
