/** @file What a model scores on a task, from the statistics of its answers, as lm-evaluation-harness scores it. */
import { meanOf, type MetricValue } from "../summary.ts";
import type { TokenStats } from "../token-stats.ts";
import type { TaskItem } from "./item.ts";

/**
 * Choices: acc = share of items whose right answer has the largest Σ ln p(token); acc_norm, where the answers differ = the same with
 * each sum over the characters of its answer. One answer: acc = share of items in which each of its tokens comes first; perplexity =
 * exp(-mean over items of Σ ln p). Limits: 1 certain and right; chance is the mean of 1 / choices. `stats` holds each item's answers
 * in order. Standard errors: of the mean; of a perplexity by the delta method.
 */
export function taskScores(
  items: readonly TaskItem[],
  stats: readonly TokenStats[],
): Record<string, MetricValue> {
  let from = 0;
  const right: number[] = [];
  const rightNormed: number[] = [];
  const surprise: number[] = [];
  for (const { pairs, gold, varied } of items) {
    const own = stats.slice(from, (from += pairs.length));
    const sums = own.map((s) => s.logProbability.reduce((a, b) => a + b, 0));
    if (gold === undefined) {
      right.push(Number(own[0]!.correct.every((c) => c === 1)));
      surprise.push(-sums[0]!);
      continue;
    }
    right.push(Number(largest(sums) === gold));
    if (!varied) continue;
    const lengths = pairs.map(({ answer }) => [...answer.trim()].length);
    rightNormed.push(Number(largest(sums.map((sum, i) => sum / lengths[i]!)) === gold));
  }
  const scores: Record<string, MetricValue> = { acc: { ...meanOf(right), better: "higher" } };
  if (rightNormed.length > 0) scores["acc_norm"] = { ...meanOf(rightNormed), better: "higher" };
  if (surprise.length > 0) scores["perplexity"] = perplexityOf(surprise);
  return scores;
}

/** The first of the largest. */
const largest = (values: readonly number[]): number => values.indexOf(Math.max(...values));

function perplexityOf(surprise: readonly number[]): MetricValue {
  const { value, n, stderr } = meanOf(surprise);
  const perplexity = Math.exp(value);
  return {
    value: perplexity,
    n,
    stderr: stderr === null ? null : perplexity * stderr,
    better: "lower",
  };
}
