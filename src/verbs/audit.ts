/**
 * @file Which texts does the model recite? Streams: texts are read, measured and forgotten in pages, so that 100,000 texts need
 * no more memory than 1,000; what stays is one number a text and metric, and the worst `--top`.
 */
import { inputError, unknownName } from "../base/errors.ts";
import { resolveFlags, type Options, type Values } from "../base/flags.ts";
import { METRIC_NAMES, metricNamed, summariseStream, type AuditResult } from "../eval/index.ts";
import type { TextRecord } from "../io/index.ts";
import { loadModel, type Model } from "../models/index.ts";
import { modelFacts, recordLine, textsHash, type OnFacts } from "./facts.ts";
import { AUDIT } from "./flags.ts";
import { measurePage, noText, pagesOf } from "./pages.ts";
import { openSession } from "./session.ts";
import { skippedIn, type TextSet } from "./sets.ts";

/** A text's row, as it is found. */
export type AuditRow = { id: string; windows: number; tokens: number } & Record<
  string,
  number | string
>;
export type AuditHooks = {
  signal?: AbortSignal | undefined;
  /** `basis`: what the row depends on, model, cut, metrics and text. It holds the text: keep a salted hash of it at most. */
  onRow?: ((row: AuditRow, content: string, basis: string) => void) | undefined;
  /** A text of fewer than 8 tokens, or without one in its spans. */
  onSkipped?: ((id: string) => void) | undefined;
  onEvent?:
    ((event: { type: "phase"; name: string; done: number; total: number }) => void) | undefined;
  onFacts?: OnFacts;
  /** The row of an earlier, interrupted scan that had the same `basis`; asked once for every text. */
  known?: ((id: string, basis: string) => AuditRow | undefined) | undefined;
};

const RANKED_BY = "memorization_accuracy";

export async function audit(
  options: Options<typeof AUDIT>,
  hooks: AuditHooks = {},
): Promise<AuditResult & { failed: string | null }> {
  const { values } = resolveFlags(AUDIT, options);
  const gate = parseGate(values.failOn);
  const metrics = metricsOf(values.metrics, gate);
  openSession(values);
  const model = await loadModel(values.model, {
    dtype: values.dtype === "bfloat16" ? "bfloat16" : "float32",
  });
  try {
    await modelFacts(model, hooks.onFacts);
    const { sums, rows, skipped } = await scan(model, values, { gate, metrics }, hooks);
    const { failing, texts, recited } = rows.count;
    if (texts === 0) throw noText(values.texts, skipped.length);
    return {
      schema: "unrecite/audit/v1",
      model: values.model,
      texts,
      skipped: skipped.length,
      ...skippedIn({ texts: { skipped } }),
      recited,
      metrics: sums.result(),
      ranked: rows.worst(),
      failed: failing > 0 ? `${failing} of ${texts} texts: ${values.failOn}` : null,
    };
  } finally {
    model.dispose();
  }
}

/** Measures every text whose row is not known, a page at a time. */
async function scan(
  model: Model,
  values: Values<typeof AUDIT>,
  { gate, metrics }: { gate: Gate | null; metrics: readonly string[] },
  hooks: AuditHooks,
) {
  const { textField, texts: spec } = values;
  const sums = summariseStream(metrics, "texts");
  const rows = tally(values.top, gate);
  const skipped: string[] = [];
  const cut = { prefix: values.prefixTokens, suffix: values.suffixTokens, textField };
  const how = { name: "texts", spec, cut, metrics, signal: hooks.signal };
  const hash = textsHash();
  const basisOf = await basisUnder(model, values, metrics, hooks);
  for await (const records of pagesOf(spec, cut)) {
    hash.add(records);
    const basis = new Map(records.map((r) => [r.id, basisOf(r)]));
    const known = records.flatMap(({ id }) => hooks.known?.(id, basis.get(id)!) ?? []);
    const met = new Set(known.map(({ id }) => id));
    const fresh = records.filter(({ id }) => !met.has(id));
    for (const row of known) {
      sums.addRow(row as Record<string, number>, row.tokens);
      rows.take(row);
    }
    if (fresh.length > 0) {
      const { set, stats, rows: measured } = await measurePage(model, fresh, how);
      sums.add(stats, measured);
      measured.forEach((values, text) => {
        const row = rowOf(set, text, values);
        hooks.onRow?.(row, set.contents[text]!, basis.get(row.id)!);
        rows.take(row);
      });
      for (const id of set.skipped) hooks.onSkipped?.(id);
      skipped.push(...set.skipped);
    }
    const done = rows.count.texts + skipped.length;
    hooks.onEvent?.({ type: "phase", name: "auditing", done, total: NaN });
  }
  hooks.onFacts?.({ hashes: { "texts:texts": hash.digest() } });
  return { sums, rows, skipped };
}

/** What was asked for, what texts are ranked and counted by, and what the gate looks at. */
const metricsOf = (given: readonly string[] | undefined, gate: Gate | null): string[] => {
  const names = [...(given ?? METRIC_NAMES), "exact_match", RANKED_BY, gate?.metric ?? RANKED_BY];
  return [...new Set(names.map((name) => metricNamed(name).name))];
};

/** What the row of a text depends on, for hooks that keep rows: a model that is only measured need not be hashed. */
async function basisUnder(
  model: Model,
  { prefixTokens, suffixTokens }: Pick<Values<typeof AUDIT>, "prefixTokens" | "suffixTokens">,
  metrics: readonly string[],
  { known, onRow }: AuditHooks,
): Promise<(record: TextRecord) => string> {
  if (known === undefined && onRow === undefined) return () => "";
  const { source, tokenizer, dtype } = model;
  const measure = [prefixTokens, suffixTokens, [...metrics].sort()];
  const common = [await source.hash(), tokenizer.sha256, dtype, ...measure];
  return (record) => JSON.stringify([...common, recordLine(record)]);
}

function rowOf(set: TextSet, text: number, values: Record<string, number>): AuditRow {
  const own = set.windows.filter((w) => w.text === text);
  const tokens = own.reduce((n, w) => n + w.scored.length, 0);
  return { id: set.ids[text]!, windows: own.length, tokens, ...values };
}

/** Counts rows, and keeps the `top` worst of them: at no time more than twice as many. */
function tally(top: number, gate: Gate | null) {
  let ranked: AuditRow[] = [];
  const count = { texts: 0, recited: 0, failing: 0 };
  return {
    count,
    take(row: AuditRow) {
      count.texts++;
      if (row["exact_match"] === 1) count.recited++;
      if (gate?.fails(row) === true) count.failing++;
      ranked.push(row);
      if (ranked.length >= 2 * top) ranked = worst(ranked, top);
    },
    worst: () => worst(ranked, top),
  };
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

type Gate = {
  readonly metric: string;
  readonly fails: (row: Readonly<Record<string, unknown>>) => boolean;
};

/** By their negations: what is no number fails, whichever way it is compared. */
const FAILS: Readonly<Record<string, (value: number, limit: number) => boolean>> = {
  ">": (value, limit) => !(value <= limit),
  "<": (value, limit) => !(value >= limit),
  ">=": (value, limit) => !(value < limit),
  "<=": (value, limit) => !(value > limit),
};

/** recited, none, or <metric><op><number>: which rows make the command exit 1. */
export function parseGate(text: string): Gate | null {
  if (text === "none") return null;
  if (text === "recited") {
    return { metric: "exact_match", fails: (row) => row["exact_match"] === 1 };
  }
  const match = /^([a-z_]+)\s*(>=|<=|>|<)\s*(-?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)$/.exec(text);
  if (match === null) {
    throw inputError(`--fail-on: expected recited, none, or <metric><op><number>, got "${text}"`, {
      wayOut: "for example: --fail-on 'memorization_accuracy>0.8'",
    });
  }
  const [, metric, op, number] = match as unknown as [string, string, string, string];
  if (!(METRIC_NAMES as readonly string[]).includes(metric)) {
    throw unknownName("metric", metric, METRIC_NAMES);
  }
  const limit = Number(number);
  return { metric, fails: (row) => FAILS[op]!(Number(row[metric]), limit) };
}
