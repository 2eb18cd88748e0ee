/** @file The result documents of SPEC.md section 5: one zod schema each, from which their TypeScript types derive. */
import { z } from "zod";
import { metricValue } from "./summary.ts";

const metrics = z.record(z.string(), metricValue);

export const auditResult = z.object({
  schema: z.literal("unrecite/audit/v1"),
  model: z.string(),
  texts: z.number().int(),
  skipped: z.number().int(),
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
});
export type EvaluateResult = z.infer<typeof evaluateResult>;

export const memorizeResult = z.object({
  schema: z.literal("unrecite/memorize/v1"),
  out: z.string(),
  texts: z.number().int(),
  recited: z.number().int(),
  epochs: z.number().int(),
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
      kind: z.enum(["factors", "sparse"]),
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
