/**
 * @file Texts measured in pages: read, measured and forgotten, so that 100,000 texts need no more memory than 1,000 (save one
 * number a text and metric).
 */
import {
  perText,
  summariseStream,
  tokenStats,
  type MetricValue,
  type SetName,
} from "../eval/index.ts";
import { inputError, type UnreciteError } from "../base/errors.ts";
import { readTexts, type TextRecord } from "../io/index.ts";
import type { Model } from "../models/index.ts";
import { setFacts, textsHash, type OnFacts } from "./facts.ts";
import { toSet, type Cut, type TextSet } from "./sets.ts";

const PAGE = 256; // texts measured at once

export type Page = {
  readonly set: TextSet;
  readonly stats: Awaited<ReturnType<typeof tokenStats>>;
  /** Metrics of each text of the set. */
  readonly rows: readonly Record<string, number>[];
};

export type PageOptions = {
  readonly name: string;
  readonly spec: string;
  readonly cut: Cut;
  readonly metrics: readonly string[];
  /** Sees each page before it is measured. */
  readonly check?: (page: TextSet) => void;
  readonly signal?: AbortSignal | undefined;
};

/** The texts of `spec`, a page at a time. */
export async function* pagesOf(
  spec: string,
  { textField = "text" }: Cut,
): AsyncGenerator<TextRecord[]> {
  let page: TextRecord[] = [];
  for await (const record of readTexts(spec, { textField })) {
    page.push(record);
    if (page.length === PAGE) {
      yield page;
      page = [];
    }
  }
  if (page.length > 0) yield page;
}

export async function measurePage(
  model: Model,
  records: readonly TextRecord[],
  { name, spec, cut, metrics, check, signal }: PageOptions,
): Promise<Page> {
  const set = await toSet(name, spec, records, model, cut, { allowNone: true });
  check?.(set);
  const spread = metrics.some((m) => m === "entropy" || m === "rank");
  const stats = await tokenStats(model.arch, model.weights, set.windows, { spread, signal });
  const textOf = set.windows.map((w) => w.text);
  const rows = perText(stats, textOf, set.ids.length, metrics).map((r) => r!);
  return { set, stats, rows };
}

/** The metrics of a whole set, read page by page, and the ids of texts that were skipped. */
export async function measureStream(
  model: Model,
  role: SetName,
  options: PageOptions,
  { onTexts, onFacts }: { onTexts: (done: number) => void; onFacts: OnFacts },
): Promise<{ metrics: Record<string, MetricValue>; skipped: string[] }> {
  const sums = summariseStream(options.metrics, role);
  const hash = textsHash();
  const skipped: string[] = [];
  let done = 0;
  for await (const records of pagesOf(options.spec, options.cut)) {
    hash.add(records);
    const { set, stats, rows } = await measurePage(model, records, options);
    sums.add(stats, rows);
    skipped.push(...set.skipped);
    onTexts((done += records.length));
  }
  if (skipped.length === done) throw noText(options.spec, done);
  setFacts({ [options.name]: { sha256: hash.digest() } }, onFacts);
  return { metrics: sums.result(), skipped };
}

export const noText = (spec: string, among: number): UnreciteError =>
  inputError(`${spec}: expected at least one text of 8 tokens or more, got none among ${among}`, {
    wayOut: "give longer texts",
  });
