/** @file Measures sets of texts under a model: the evaluate document's parts, and each text's own values. */
import {
  METRIC_NAMES,
  metricNamed,
  perText,
  summarise,
  tokenStats,
  type MetricValue,
  type SetName,
  type TextMetrics,
  type TokenStats,
} from "../eval/index.ts";
import type { Architecture, Weights } from "../models/index.ts";
import type { TextSet } from "./sets.ts";

export type Measured = {
  readonly metrics: Record<string, MetricValue>;
  /** Per text; null for skipped texts. */
  readonly rows: readonly (TextMetrics | null)[];
  readonly stats: readonly TokenStats[];
};

type Options = {
  metrics?: readonly string[];
  signal?: AbortSignal | undefined;
  onBatch?: ((done: number, total: number) => void) | undefined;
};

/** One teacher-forced pass over a set. */
export async function measureSet(
  arch: Architecture,
  w: Weights,
  set: TextSet,
  role: SetName,
  { metrics = METRIC_NAMES, signal, onBatch }: Options = {},
): Promise<Measured> {
  const spread = metrics.some((m) => m === "entropy" || m === "rank");
  const stats = await tokenStats(arch, w, set.windows, {
    spread,
    signal,
    onBatch: (done) => onBatch?.(done, set.windows.length),
  });
  const rows = perText(
    stats,
    set.windows.map((x) => x.text),
    set.ids.length,
    metrics,
  );
  const present = rows.filter((r) => r !== null);
  const values = Object.fromEntries(
    metrics.map((name) => [
      metricNamed(name).name,
      summarise(
        name,
        present.map((r) => r[name]!),
        stats,
        role,
      ),
    ]),
  );
  return { metrics: values, rows, stats };
}
