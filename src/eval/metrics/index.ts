/** @file The one-pass metrics, by name. Adding one: its file, a row here, a hand-worked test. */
import { unknownName } from "../../base/errors.ts";
import { entropy } from "./entropy.ts";
import { exactMatch } from "./exact-match.ts";
import { extractionStrengthMetric } from "./extraction-strength.ts";
import { longestVerbatimRun } from "./longest-verbatim-run.ts";
import { maxMemorizationAccuracy } from "./max-memorization-accuracy.ts";
import { memorizationAccuracy } from "./memorization-accuracy.ts";
import { perplexity } from "./perplexity.ts";
import { rank } from "./rank.ts";
import { suffixNll } from "./suffix-nll.ts";
import { tokenProbability } from "./token-probability.ts";
import type { Metric } from "./types.ts";

export const METRICS = {
  exact_match: exactMatch,
  memorization_accuracy: memorizationAccuracy,
  max_memorization_accuracy: maxMemorizationAccuracy,
  extraction_strength: extractionStrengthMetric,
  longest_verbatim_run: longestVerbatimRun,
  suffix_nll: suffixNll,
  token_probability: tokenProbability,
  entropy,
  rank,
  perplexity,
} satisfies Record<string, Metric>;

export type MetricName = keyof typeof METRICS;
export const METRIC_NAMES = Object.keys(METRICS) as MetricName[];

export function metricNamed(name: string): Metric {
  if (!Object.hasOwn(METRICS, name)) throw unknownName("metric", name, METRIC_NAMES);
  return METRICS[name as MetricName];
}

export type { Metric } from "./types.ts";
