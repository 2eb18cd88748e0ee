/**
 * @file What a run leaves behind (SPEC.md section 5): the manifest run.json, one line a text in texts.jsonl, and the
 * hash-chained events.jsonl. The report and `--resume` read nothing else.
 */

/** A resolved setting and where its value came from. */
export type Setting = { value: unknown; from: "flag" | "recipe" | "default" | "method" };

export type Manifest = {
  schema: "unrecite/run/v1";
  command: "audit" | "memorize" | "erase" | "evaluate" | "compare";
  status: "running" | "done" | "failed" | "interrupted";
  settings: Record<string, Setting>;
  versions: { unrecite: string; node: string; libtorch: string };
  /** SHA-256 of what went in and came out; absent where there is none. */
  hashes: {
    model?: string;
    tokenizer?: string;
    patch?: string;
    [texts: `texts:${string}`]: string;
  };
  device: string;
  dtype: string;
  dtypeReason: string;
  threads: number;
  seed: number;
  started: string; // ISO 8601
  seconds: number;
  peakRssBytes: number;
  /** The command's result document (src/eval/results.ts). */
  results: unknown;
  /** SHA-256 of the last line of events.jsonl. */
  eventsHead: string | null;
};

/** A line of texts.jsonl; `text` only with --include-text. */
export type TextLine = {
  id: string;
  set: "forget" | "kept" | "unseen" | "texts";
  hash: string; // salted
  before?: Record<string, number>;
  after?: Record<string, number>;
  /** The window furthest above its limit, after; and that limit. A text is erased when all its windows are. */
  worst?: { memorization_accuracy: number; suffix_nll: number };
  target?: { memorization_accuracy: number; suffix_nll: number };
  /** Salted hash of all that `before` depends on: a scan that goes on takes only rows of its own. */
  basis?: string;
  status: "erased" | "incomplete" | "skipped" | "recited" | "measured";
  step?: number | null;
  text?: string;
};
