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
  if (metric.over === "pooled") {
    const sums = noSums();
    for (const s of stats) addStats(sums, s);
    return { ...pooled(sums), better };
  }
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

/** Sums over windows of nll (x) and token count (c): all that a pooled mean and its error need. */
type Sums = { windows: number; x: number; c: number; xx: number; xc: number; cc: number };

const noSums = (): Sums => ({ windows: 0, x: 0, c: 0, xx: 0, xc: 0, cc: 0 });

function addWindow(sums: Sums, nll: number, count: number): void {
  sums.windows++;
  sums.x += nll;
  sums.c += count;
  sums.xx += nll * nll;
  sums.xc += nll * count;
  sums.cc += count * count;
}

const addStats = (sums: Sums, s: TokenStats): void =>
  addWindow(sums, -s.logProbability.reduce((a, b) => a + b, 0), s.logProbability.length);

/** exp of the mean nll over tokens; standard error by the delta method, windows as the independent units. */
function pooled({ windows: k, x, c, xx, xc, cc }: Sums): {
  value: number;
  n: number;
  stderr: number | null;
} {
  const mean = x / c;
  const value = Math.exp(mean);
  if (k < 2) return { value, n: c, stderr: null };
  const residual = Math.max(0, xx - 2 * mean * xc + mean * mean * cc) / (k - 1); // Σ (x - mean · c)²
  return { value, n: c, stderr: value * (Math.sqrt(residual * k) / c) };
}

/** The q-quantile by linear interpolation between order statistics. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = q * (sorted.length - 1);
  const low = Math.floor(at);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low]! + (at - low) * (sorted[high]! - sorted[low]!);
}

/** The same numbers from values that pass by: keeps one number a text and metric. */
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
  const sums = noSums();
  const addValues = (row: TextMetrics) => {
    for (const [name, list] of values) list.push(row[name]!);
  };
  return {
    add(stats, rows) {
      for (const s of stats) addStats(sums, s);
      rows.forEach(addValues);
    },
    addRow(row, tokens) {
      addWindow(sums, tokens * Math.log(row["perplexity"] ?? NaN), tokens);
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
