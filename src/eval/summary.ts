/** @file From values per text to one number per set, with its spread, its n and its direction. */
import { z } from "zod";
import { metricNamed, type Metric } from "./metrics/index.ts";
import type { TokenStats } from "./token-stats.ts";

export type SetName = "forget" | "kept" | "unseen" | "heldout" | "texts";

/** A metric of a set, as every result JSON spells it. */
export const metricValue = z.object({
  value: z.number(),
  n: z.number().int(),
  stderr: z.number().nullable(),
  better: z.enum(["lower", "higher", "none"]),
  p95: z.number().optional(),
});
export type MetricValue = z.infer<typeof metricValue>;

/** All metrics of one text, by name. */
export type TextMetrics = Record<string, number>;

/** Statistics of all windows → the metrics of each text (indices 0 … texts - 1; null without windows). */
export function perText(
  stats: readonly TokenStats[],
  textOf: readonly number[],
  texts: number,
  names: readonly string[],
): (TextMetrics | null)[] {
  const groups = Array.from({ length: texts }, () => [] as TokenStats[]);
  stats.forEach((s, i) => groups[textOf[i]!]!.push(s));
  const metrics = names.map(metricNamed);
  return groups.map((windows) =>
    windows.length === 0
      ? null
      : Object.fromEntries(metrics.map((m) => [m.name, m.ofText(windows)])),
  );
}

/** The number of a set: values of the texts that have windows, and all statistics for pooled metrics. */
export function summarise(
  name: string,
  values: readonly number[],
  stats: readonly TokenStats[],
  set: SetName,
): MetricValue {
  const metric = metricNamed(name);
  const better = directionOf(metric, set);
  if (metric.over === "pooled") return { ...pooled(stats.map(sumOf)), better };
  if (metric.over === "max") {
    return {
      value: values.reduce((a, b) => Math.max(a, b), -Infinity),
      n: values.length,
      stderr: null,
      better,
    };
  }
  return { ...meanOf(values), p95: quantile(values, 0.95), better };
}

/** Which way is better: forgetting on the forget set, remembering on the kept set; perplexity low on held-out text. */
function directionOf(metric: Metric, set: SetName): MetricValue["better"] {
  const forgotten = metric.memorised === "higher" ? "lower" : "higher";
  if (metric.memorised === "neither" || set === "unseen" || set === "texts") return "none";
  if (set === "forget") return forgotten;
  if (set === "kept" || metric.name === "perplexity") {
    return forgotten === "lower" ? "higher" : "lower";
  }
  return "none";
}

/** Mean and its standard error, s/√n with the sample deviation; null for one value. */
export function meanOf(values: readonly number[]): {
  value: number;
  n: number;
  stderr: number | null;
} {
  const n = values.length;
  const value = values.reduce((a, b) => a + b, 0) / n;
  if (n < 2) return { value, n, stderr: null };
  const variance = values.reduce((a, b) => a + (b - value) ** 2, 0) / (n - 1);
  return { value, n, stderr: Math.sqrt(variance / n) };
}

type Sum = { readonly nll: number; readonly count: number };

const sumOf = (s: TokenStats): Sum => ({
  nll: -s.logProbability.reduce((a, b) => a + b, 0),
  count: s.logProbability.length,
});

/** exp of the mean nll over tokens; standard error by the delta method, windows as the independent units. */
function pooled(sums: readonly Sum[]): { value: number; n: number; stderr: number | null } {
  const n = sums.reduce((total, s) => total + s.count, 0);
  const mean = sums.reduce((total, s) => total + s.nll, 0) / n;
  const value = Math.exp(mean);
  const k = sums.length;
  if (k < 2) return { value, n, stderr: null };
  const residual = sums.reduce((a, s) => a + (s.nll - mean * s.count) ** 2, 0) / (k - 1);
  return { value, n, stderr: value * (Math.sqrt(residual * k) / n) };
}

/** The q-quantile by linear interpolation between order statistics. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = q * (sorted.length - 1);
  const low = Math.floor(at);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low]! + (at - low) * (sorted[high]! - sorted[low]!);
}

/** The same numbers from values that pass by: keeps one number a text and metric, and two sums a window for pooled ones. */
export function summariseStream(
  names: readonly string[],
  set: SetName,
): {
  add: (stats: readonly TokenStats[], rows: readonly TextMetrics[]) => void;
  /** A text measured before, of so many scored tokens. */
  addRow: (row: TextMetrics, tokens: number) => void;
  result: () => Record<string, MetricValue>;
} {
  const values = new Map(names.map((n) => [n, [] as number[]]));
  const sums: Sum[] = [];
  const addValues = (row: TextMetrics) => {
    for (const [name, list] of values) list.push(row[name]!);
  };
  return {
    add(stats, rows) {
      for (const s of stats) sums.push(sumOf(s));
      rows.forEach(addValues);
    },
    addRow(row, tokens) {
      const nll = tokens * Math.log(row["perplexity"] ?? NaN);
      sums.push({ nll, count: tokens });
      addValues(row);
    },
    result: () =>
      Object.fromEntries(
        names.map((name) => {
          const metric = metricNamed(name);
          return metric.over === "pooled"
            ? [name, { ...pooled(sums), better: directionOf(metric, set) }]
            : [name, summarise(name, values.get(name)!, [], set)];
        }),
      ),
  };
}
