/**
 * @file Which texts does the model recite? Streams: texts are read, measured and forgotten in pages, so that 100,000 texts need
 * no more memory than 1,000; what stays is one number a text and metric, and the worst `--top`.
 */
import { inputError, unknownName } from "../base/errors.ts";
import { resolveFlags, type Options } from "../base/flags.ts";
import {
  METRIC_NAMES,
  metricNamed,
  perText,
  summariseStream,
  tokenStats,
  type AuditResult,
  type MetricValue,
} from "../eval/index.ts";
import { readTexts, type TextRecord } from "../io/index.ts";
import { loadModel, type Model } from "../models/index.ts";
import { AUDIT } from "./flags.ts";
import { openSession } from "./session.ts";
import { toSet } from "./sets.ts";

/** A text's row, as it is found. */
export type AuditRow = { id: string; windows: number } & Record<string, number | string>;
export type AuditHooks = {
  signal?: AbortSignal | undefined;
  onRow?: ((row: AuditRow, content: string) => void) | undefined;
  onEvent?:
    ((event: { type: "phase"; name: string; done: number; total: number }) => void) | undefined;
  /** Ids measured by an earlier, interrupted run, with their rows. */
  known?: ReadonlyMap<string, AuditRow>;
};

const PAGE = 256; // texts measured at once
const RANKED_BY = "memorization_accuracy";

export async function audit(
  options: Options<typeof AUDIT>,
  hooks: AuditHooks = {},
): Promise<AuditResult & { failed: string | null }> {
  const { values } = resolveFlags(AUDIT, options);
  const metrics = [...new Set([...(values.metrics ?? METRIC_NAMES), "exact_match", RANKED_BY])].map(
    (n) => metricNamed(n).name,
  );
  const gate = parseGate(values.failOn);
  openSession(values);
  const model = await loadModel(values.model, {
    dtype: values.dtype === "bfloat16" ? "bfloat16" : "float32",
  });
  const sums = summariseStream(metrics, "texts");
  let ranked: AuditRow[] = [];
  const count = { texts: 0, skipped: 0, recited: 0, failing: 0 };
  const take = (row: AuditRow) => {
    count.texts++;
    if (row["exact_match"] === 1) count.recited++;
    if (gate !== null && gate(row)) count.failing++;
    ranked.push(row);
    if (ranked.length >= 2 * values.top) ranked = worst(ranked, values.top);
  };
  try {
    for await (const page of pages(
      readTexts(values.texts, { textField: values.textField }),
      PAGE,
    )) {
      const fresh = page.filter((r) => !hooks.known?.has(r.id));
      for (const r of page) {
        const row = hooks.known?.get(r.id);
        if (row !== undefined) {
          sums.addValues(row as Record<string, number>);
          take(row);
        }
      }
      if (fresh.length > 0) {
        count.skipped += await measurePage(model, fresh, values, metrics, sums, take, hooks);
      }
      hooks.onEvent?.({
        type: "phase",
        name: "auditing",
        done: count.texts + count.skipped,
        total: NaN,
      });
    }
    if (count.texts === 0) {
      throw inputError(`${values.texts}: expected a text of 8 tokens or more, got none`, {
        wayOut: "give longer texts",
      });
    }
    return {
      schema: "unrecite/audit/v1",
      model: values.model,
      texts: count.texts,
      skipped: count.skipped,
      recited: count.recited,
      metrics: sums.result(),
      ranked: worst(ranked, values.top),
      failed:
        count.failing > 0 ? `${count.failing} of ${count.texts} texts: ${values.failOn}` : null,
    };
  } finally {
    model.dispose();
  }
}

type Sums = {
  add: (stats: Parameters<typeof perText>[0], rows: readonly Record<string, number>[]) => void;
  addValues: (row: Record<string, number>) => void;
  result: () => Record<string, MetricValue>;
};

/** Measures one page; returns how many of its texts were too short. */
async function measurePage(
  model: Model,
  page: readonly TextRecord[],
  values: { prefixTokens: number; suffixTokens: number; texts: string },
  metrics: readonly string[],
  sums: Sums,
  take: (row: AuditRow) => void,
  hooks: AuditHooks,
): Promise<number> {
  const set = await toSet(
    "texts",
    values.texts,
    page,
    model,
    { prefix: values.prefixTokens, suffix: values.suffixTokens },
    { allowNone: true },
  );
  const spread = metrics.some((m) => m === "entropy" || m === "rank");
  const stats = await tokenStats(model.arch, model.weights, set.windows, {
    spread,
    signal: hooks.signal,
  });
  const rows = perText(
    stats,
    set.windows.map((w) => w.text),
    set.ids.length,
    metrics,
  ).map((r) => r!);
  sums.add(stats, rows);
  rows.forEach((row, i) => {
    const full: AuditRow = {
      id: set.ids[i]!,
      windows: set.windows.filter((w) => w.text === i).length,
      ...row,
    };
    hooks.onRow?.(full, set.contents[i]!);
    take(full);
  });
  return set.skipped.length;
}

const worst = (rows: AuditRow[], top: number): AuditRow[] =>
  [...rows]
    .sort(
      (a, b) =>
        Number(b["exact_match"]) - Number(a["exact_match"]) ||
        Number(b[RANKED_BY]) - Number(a[RANKED_BY]) ||
        (a.id < b.id ? -1 : 1),
    )
    .slice(0, top);

async function* pages<T>(items: AsyncIterable<T>, size: number): AsyncGenerator<T[]> {
  let page: T[] = [];
  for await (const item of items) {
    page.push(item);
    if (page.length === size) {
      yield page;
      page = [];
    }
  }
  if (page.length > 0) yield page;
}

/** recited, none, or <metric><op><number>: which rows make the command exit 1. */
export function parseGate(text: string): ((row: Record<string, unknown>) => boolean) | null {
  if (text === "none") return null;
  if (text === "recited") return (row) => row["exact_match"] === 1;
  const match = /^([a-z_]+)\s*(>=|<=|>|<)\s*(-?[\d.]+(?:e-?\d+)?)$/.exec(text);
  if (match === null) {
    throw inputError(`--fail-on: expected recited, none, or <metric><op><number>, got "${text}"`, {
      wayOut: "for example: --fail-on 'memorization_accuracy>0.8'",
    });
  }
  const [, name, op, number] = match as unknown as [string, string, string, string];
  if (!(METRIC_NAMES as readonly string[]).includes(name)) {
    throw unknownName("metric", name, METRIC_NAMES);
  }
  const limit = Number(number);
  return (row) => {
    const value = Number(row[name]);
    return op === ">"
      ? value > limit
      : op === "<"
        ? value < limit
        : op === ">="
          ? value >= limit
          : value <= limit;
  };
}
