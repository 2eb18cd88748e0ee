/**
 * @file Which texts does the model recite? Streams: texts are read, measured and forgotten in pages, so that 100,000 texts need
 * no more memory than 1,000; what stays is one number a text and metric, and the worst `--top`.
 */
import { inputError, unknownName } from "../base/errors.ts";
import { resolveFlags, type Options } from "../base/flags.ts";
import { METRIC_NAMES, metricNamed, summariseStream, type AuditResult } from "../eval/index.ts";
import { loadModel } from "../models/index.ts";
import { AUDIT } from "./flags.ts";
import { measurePage, noText, pagesOf } from "./pages.ts";
import { openSession } from "./session.ts";

/** A text's row, as it is found. */
export type AuditRow = { id: string; windows: number; tokens: number } & Record<
  string,
  number | string
>;
export type AuditHooks = {
  signal?: AbortSignal | undefined;
  onRow?: ((row: AuditRow, content: string) => void) | undefined;
  onEvent?:
    ((event: { type: "phase"; name: string; done: number; total: number }) => void) | undefined;
  /** Ids measured by an earlier, interrupted run, with their rows. */
  known?: ReadonlyMap<string, AuditRow>;
};

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
  const cut = {
    prefix: values.prefixTokens,
    suffix: values.suffixTokens,
    textField: values.textField,
  };
  const how = { name: "texts", spec: values.texts, cut, metrics, signal: hooks.signal };
  try {
    for await (const records of pagesOf(values.texts, cut)) {
      const fresh = records.filter((r) => !hooks.known?.has(r.id));
      for (const r of records) {
        const row = hooks.known?.get(r.id);
        if (row !== undefined) {
          sums.addRow(row as Record<string, number>, row.tokens);
          take(row);
        }
      }
      if (fresh.length > 0) {
        const { set, stats, rows } = await measurePage(model, fresh, how);
        sums.add(stats, rows);
        count.skipped += set.skipped.length;
        rows.forEach((values, i) => {
          const own = set.windows.filter((w) => w.text === i);
          const tokens = own.reduce((n, w) => n + w.scored.length, 0);
          const row: AuditRow = { id: set.ids[i]!, windows: own.length, tokens, ...values };
          hooks.onRow?.(row, set.contents[i]!);
          take(row);
        });
      }
      const done = count.texts + count.skipped;
      hooks.onEvent?.({ type: "phase", name: "auditing", done, total: NaN });
    }
    if (count.texts === 0) throw noText(values.texts, count.skipped);
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

const worst = (rows: AuditRow[], top: number): AuditRow[] =>
  [...rows]
    .sort(
      (a, b) =>
        Number(b["exact_match"]) - Number(a["exact_match"]) ||
        Number(b[RANKED_BY]) - Number(a[RANKED_BY]) ||
        (a.id < b.id ? -1 : 1),
    )
    .slice(0, top);

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
