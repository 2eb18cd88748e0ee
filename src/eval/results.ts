/** @file The result documents of SPEC.md section 5: one zod schema each, from which their TypeScript types derive. */
import { z } from "zod";
import { metricValue } from "./summary.ts";

const metrics = z.record(z.string(), metricValue);
/** By set, texts of fewer than 8 tokens or without one in their spans; absent where there are none. */
const skippedIds = z.record(z.string(), z.array(z.string())).optional();

export const auditResult = z.object({
  schema: z.literal("unrecite/audit/v1"),
  model: z.string(),
  texts: z.number().int(),
  skipped: z.number().int(),
  skipped_ids: skippedIds,
  recited: z.number().int(),
  metrics,
  ranked: z.array(z.looseObject({ id: z.string(), windows: z.number().int() })),
});
export type AuditResult = z.infer<typeof auditResult>;

/** Sets that were not given are absent. */
export const evaluateResult = z.object({
  schema: z.literal("unrecite/evaluate/v1"),
  forget: metrics.optional(),
  kept: metrics.optional(),
  unseen: metrics.optional(),
  heldout: metrics.optional(),
  utility: z.record(z.string(), metrics).optional(),
  skipped_ids: skippedIds,
});
export type EvaluateResult = z.infer<typeof evaluateResult>;

export const memorizeResult = z.object({
  schema: z.literal("unrecite/memorize/v1"),
  out: z.string(),
  texts: z.number().int(),
  skipped_ids: skippedIds,
  recited: z.number().int(),
  epochs: z.number().int(),
  /** With several doses, what each led to: how often its texts were shown an epoch, how many are recited, means over them. */
  doses: z
    .array(
      z.object({
        repeats: z.number().int(),
        texts: z.number().int(),
        recited: z.number().int(),
        memorization_accuracy: z.number(),
        suffix_nll: z.number(),
      }),
    )
    .optional(),
  before: evaluateResult,
  after: evaluateResult,
  seconds: z.number(),
  peak_rss_bytes: z.number().int(),
});
export type MemorizeResult = z.infer<typeof memorizeResult>;

export const eraseStatus = z.enum(["erased", "incomplete", "refused", "nothing_to_erase"]);
export type EraseStatus = z.infer<typeof eraseStatus>;

export const eraseResult = z.object({
  schema: z.literal("unrecite/erase/v1"),
  method: z.string(),
  status: eraseStatus,
  /** Mean level over the texts that forgetting aims at, and where it comes from. */
  target: z.object({
    from: z.enum(["reference", "unseen", "natural", "given"]),
    memorization_accuracy: z.number(),
    suffix_nll: z.number(),
  }),
  before: evaluateResult,
  after: evaluateResult,
  texts: z.object({
    total: z.number().int(),
    erased: z.number().int(),
    incomplete: z.number().int(),
    skipped: z.number().int(),
    recited: z.number().int(),
  }),
  skipped_ids: skippedIds,
  over_forgotten: z.number().int(),
  selection: z.object({
    metric: z.string(),
    fraction: z.number(),
    rank: z.number().int().nullable(),
    selected: z.number().int(),
    total: z.number().int(),
  }),
  patch: z
    .object({
      kind: z.enum(["factors", "sparse", "prompt", "decoding"]),
      path: z.string(),
      sha256: z.string(),
      bytes: z.number().int(),
      changed: z.number().int(),
    })
    .nullable(),
  out: z.string().nullable(),
  /** Texts of earlier runs (--previous), checked again under the new weights. */
  previous: z.array(
    z.object({ run: z.string(), texts: z.number().int(), recited: z.number().int() }),
  ),
  epochs: z.number().int(),
  steps: z.number().int(),
  backoffs: z.number().int(),
  seconds: z.number(),
  peak_rss_bytes: z.number().int(),
  resumed_from: z.string().nullable(),
});
export type EraseResult = z.infer<typeof eraseResult>;

/** Where one run of a comparison stands; values after erasing, ratios to before. Null: the set was not given, or the run failed. */
export const compareRow = z.object({
  method: z.string(),
  seed: z.number().int(),
  status: z.union([eraseStatus, z.literal("failed")]),
  /** Why a run failed; a method that diverges is a result. */
  error: z.string().nullable(),
  /** Directory of the run. */
  run: z.string(),
  /** What was in force, by its keys; of a run that failed what it was given. */
  settings: z.record(z.string(), z.unknown()),
  /** Everything that was measured after; the columns below are of it. */
  after: evaluateResult.nullable(),
  /** Taken from an earlier comparison with the same model, texts and settings. */
  reused: z.boolean(),
  recited: z.number().nullable(),
  memorization_accuracy: z.number().nullable(),
  suffix_nll: z.number().nullable(),
  over_forgotten: z.number().int().nullable(),
  kept_accuracy: z.number().nullable(),
  kept_recited: z.number().nullable(),
  kept_nll: z.number().nullable(),
  unseen_nll: z.number().nullable(),
  perplexity: z.number().nullable(),
  /** Accuracy by task; absent where none was given. */
  tasks: z.record(z.string(), z.number()).optional(),
  selected: z.number().int().nullable(),
  changed: z.number().int().nullable(),
  patch_bytes: z.number().int().nullable(),
  epochs: z.number().int().nullable(),
  steps: z.number().int().nullable(),
  /** Largest norm of a step's gradient over the smallest. */
  gradient_range: z.number().nullable(),
  seconds: z.number().nullable(),
  peak_rss_bytes: z.number().int().nullable(),
  /** After each epoch: mean nll and accuracy of the forget set, held-out perplexity relative to before. */
  course: z.array(
    z.object({ suffix_nll: z.number(), memorization_accuracy: z.number(), perplexity: z.number() }),
  ),
});
export type CompareRow = z.infer<typeof compareRow>;

export const compareResult = z.object({
  schema: z.literal("unrecite/compare/v1"),
  target: z
    .object({ from: z.string(), memorization_accuracy: z.number(), suffix_nll: z.number() })
    .nullable(),
  before: evaluateResult.nullable(),
  /** The model that --oracle names, on the same sets. */
  oracle: evaluateResult.nullable(),
  rows: z.array(compareRow),
  seconds: z.number(),
});
export type CompareResult = z.infer<typeof compareResult>;
