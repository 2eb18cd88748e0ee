/** @file A run as erase leaves it, made up: 16 texts to forget, 12 epochs of 4 steps. For tests alone. */
import type { EraseResult, EvaluateResult } from "../src/eval/results.ts";
import type { MetricValue } from "../src/eval/summary.ts";
import type { Manifest, TextLine } from "../src/run/types.ts";
import type { RunData } from "../src/report/read-run.ts";

export const SECRET = "The quick secret sentence that must not leak";
export const HOSTILE = '<script>alert("x")</script>';

const EPOCHS = 12;
const STEPS = 4; // an epoch

const metric = (
  value: number,
  better: MetricValue["better"],
  stderr: number | null = value / 40,
): MetricValue => ({ value, n: 16, stderr, better });

type Levels = { em: number; ma: number; nll: number; entropy: number; run: number };

const memory = (l: Levels, better: MetricValue["better"]): Record<string, MetricValue> => {
  const inverse = better === "lower" ? "higher" : better === "higher" ? "lower" : "none";
  return {
    exact_match: metric(l.em, better),
    memorization_accuracy: metric(l.ma, better),
    max_memorization_accuracy: metric(Math.min(1, l.ma * 1.3), better, null),
    longest_verbatim_run: metric(l.run, better),
    suffix_nll: metric(l.nll, inverse),
    entropy: metric(l.entropy, "none"),
  };
};

const evaluation = (forget: Levels, kept: Levels, perplexity: number): EvaluateResult => ({
  schema: "unrecite/evaluate/v1",
  forget: memory(forget, "lower"),
  kept: memory(kept, "higher"),
  unseen: memory({ em: 0, ma: 0.334, nll: 3.41, entropy: 3.02, run: 5.4 }, "none"),
  heldout: { perplexity: metric(perplexity, "lower") },
});

const KEPT: Levels = { em: 0.97, ma: 0.996, nll: 0.06, entropy: 0.21, run: 48.9 };
const FORGET: Levels = { em: 0.9375, ma: 0.982, nll: 0.11, entropy: 0.34, run: 47.2 };
const BEFORE = evaluation(FORGET, KEPT, 28.41);
const AFTER = evaluation(
  { em: 0, ma: 0.312, nll: 3.52, entropy: 3.18, run: 4.1 },
  { ...KEPT, em: 0.94, ma: 0.991, nll: 0.09 },
  28.77,
);

export function eraseResult(more: Partial<EraseResult> = {}): EraseResult {
  return {
    schema: "unrecite/erase/v1",
    method: "emso",
    status: "erased",
    target: { from: "natural", memorization_accuracy: 0.338, suffix_nll: 3.36 },
    before: BEFORE,
    after: AFTER,
    texts: { total: 17, erased: 16, incomplete: 0, skipped: 1, recited: 0 },
    over_forgotten: 1,
    selection: {
      metric: "directions",
      fraction: 0.0731,
      rank: 64,
      selected: 9043968,
      total: 123719424,
    },
    patch: {
      kind: "factors",
      path: "runs/2026-01-05T09-12-44-erase/patch",
      sha256: "9f2c".repeat(16),
      bytes: 36_201_113,
      changed: 84_934_656,
    },
    out: null,
    previous: [],
    epochs: EPOCHS,
    steps: EPOCHS * STEPS,
    backoffs: 0,
    seconds: 412.7,
    peak_rss_bytes: 3_912_000_000,
    resumed_from: null,
    ...more,
  };
}

export const TEXTS: readonly TextLine[] = [
  ...Array.from({ length: 16 }, (_, i): TextLine => {
    const wobble = ((i * 7) % 16) / 16 - 0.5;
    return {
      id: i === 3 ? HOSTILE : `letters/2019-${String(i + 1).padStart(2, "0")}.txt`,
      set: "forget",
      hash: String(i).padStart(64, "0"),
      before: { memorization_accuracy: Math.min(1, 0.98 + wobble / 20), longest_verbatim_run: 47 },
      after: {
        memorization_accuracy: 0.3 + wobble / 6,
        longest_verbatim_run: 4 + (i % 3),
        suffix_nll: 3.5 + wobble / 4,
      },
      target: { memorization_accuracy: 0.34 + wobble / 7, suffix_nll: 3.3 },
      status: "erased",
      step: 20 + i,
      text: SECRET,
    };
  }),
  { id: "letters/short.txt", set: "forget", hash: "", status: "skipped" },
  { id: "kept-1", set: "kept", hash: "1", before: {}, after: {}, status: "measured", text: SECRET },
];

const settle = (from: number, to: number, epoch: number): number =>
  to + (from - to) * Math.exp(-((epoch / 5) ** 2));

export const EVENTS: RunData["events"] = [
  { type: "run", command: "erase" },
  ...Array.from({ length: EPOCHS }, (_, e) => [
    ...Array.from({ length: STEPS }, (_, s) => ({
      type: "step",
      step: e * STEPS + s + 1,
      epoch: e + 1,
      loss: settle(3.1, 0.4, e + s / STEPS),
      gradNorm: 0.3 + settle(6, 0.2, e + s / STEPS) * (1 + 0.35 * Math.sin(5 * e + 3 * s)),
      learningRate: 8e-5,
      seconds: 2.1,
    })),
    {
      type: "epoch",
      epoch: e + 1,
      step: (e + 1) * STEPS,
      active: Math.max(0, 16 - Math.floor((e * e) / 7)),
      memorization_accuracy: settle(0.982, 0.31, e + 1),
      suffix_nll: settle(0.11, 3.53, e + 1),
      entropy: settle(0.34, 3.18, e + 1),
      recited: Math.max(0, 15 - 3 * e),
      perplexity: settle(28.41, 28.78, e + 1),
    },
  ]).flat(),
  { type: "result", schema: "unrecite/erase/v1", exitCode: 0 },
];

export function manifest(results: unknown, more: Partial<Manifest> = {}): Manifest {
  return {
    schema: "unrecite/run/v1",
    command: "erase",
    status: "done",
    settings: {
      model: { value: "models/gpt-neo-125m-letters", from: "flag" },
      forget: { value: "letters.jsonl", from: "flag" },
      utilityBudget: { value: 1.05, from: "default" },
      rank: { value: 64, from: "method" },
      learningRate: { value: 8e-5, from: "recipe" },
      includeText: { value: false, from: "default" },
    },
    versions: { unrecite: "0.1.0", node: "v20.20.0", libtorch: "2.9.0" },
    hashes: {
      model: "ab12".repeat(16),
      patch: "9f2c".repeat(16),
      "texts:forget": "77aa".repeat(16),
    },
    device: "cpu",
    dtype: "float32",
    dtypeReason: "the default without AMX",
    threads: 8,
    seed: 0,
    started: "2026-01-05T09:12:44.000Z",
    seconds: 415.2,
    peakRssBytes: 3_912_000_000,
    results,
    eventsHead: "c0de".repeat(16),
    ...more,
  };
}

export const erasedRun = (more: Partial<EraseResult> = {}): RunData => ({
  manifest: manifest(eraseResult(more)),
  texts: TEXTS,
  events: EVENTS,
  log: { torn: false, sealed: true },
});
