/**
 * @file The report: a pure function of what a run left behind. No text of any set is in it unless `includeText`. Brings the
 * chart library with it: import it where a report is rendered, not before.
 */
import type {
  AuditResult,
  CompareResult,
  EraseResult,
  EvaluateResult,
  MemorizeResult,
} from "../eval/results.ts";
import type { Manifest, TextLine } from "../run/types.ts";
import { html } from "./html.ts";
import { page, type Section } from "./page.ts";
import type { RunData } from "./read-run.ts";
import { changeSection } from "./sections/change.ts";
import { compareSection } from "./sections/compare.ts";
import { courseSection } from "./sections/course.ts";
import { comparePart } from "./sections/methods.ts";
import { auditPart, evaluatePart, memorizePart, type Part } from "./sections/measured.ts";
import { limitsSection, recordSection, settingsSection } from "./sections/record.ts";
import { textsSection } from "./sections/texts.ts";
import { eraseVerdict, unfinishedVerdict } from "./sections/verdict.ts";

export type ReportInput = RunData & {
  /** Shows the texts that texts.jsonl holds, where it holds them. */
  readonly includeText?: boolean;
};

/** One self-contained HTML document. */
export function renderReport({ includeText = false, ...data }: ReportInput): string {
  const { manifest } = data;
  const texts = includeText ? data.texts : data.texts.map(withoutText);
  const { verdict, sections } = partOf({ ...data, texts });
  return page(
    `unrecite ${manifest.command} ${manifest.started.slice(0, 10)}`,
    verdict,
    [...sections, limitsSection(manifest), settingsSection(manifest), recordSection(data)],
    html`Made by unrecite ${manifest.versions.unrecite} from the run's own record. Confidential
    where the texts' ids are.`,
  );
}

/** A line without its text, if it had one. */
function withoutText(line: TextLine): TextLine {
  const copy = { ...line };
  delete copy.text;
  return copy;
}

function partOf(data: RunData): Part {
  const { manifest, events } = data;
  const results = manifest.results as { schema?: unknown } | null;
  switch (results?.schema) {
    case "unrecite/erase/v1":
      return erasePart(results as EraseResult, data);
    case "unrecite/audit/v1":
      return auditPart(results as AuditResult, manifest);
    case "unrecite/evaluate/v1":
      return evaluatePart(results as EvaluateResult, manifest);
    case "unrecite/memorize/v1":
      return memorizePart(results as MemorizeResult, manifest);
    case "unrecite/compare/v1":
      return comparePart(results as CompareResult, manifest);
    default:
      return {
        verdict: unfinishedVerdict(manifest),
        sections: defined(courseSection(undefined, events, undefined)),
      };
  }
}

function erasePart(r: EraseResult, { manifest, texts, events }: RunData): Part {
  const budget = budgetOf(manifest);
  const { memorization_accuracy, suffix_nll } = r.target;
  const target = { memorization_accuracy, suffix_nll };
  return {
    verdict: eraseVerdict(r, manifest),
    sections: defined(
      compareSection(
        { before: r.before, after: r.after, target, budget },
        "Forgetting should show in the texts to forget and nowhere else. The closer the rest stays to where it was, the more precise the erasure.",
      ),
      courseSection(r, events, budget),
      textsSection(texts),
      changeSection(r, manifest),
    ),
  };
}

const defined = (...sections: (Section | undefined)[]): Section[] =>
  sections.filter((s): s is Section => s !== undefined);

function budgetOf({ settings }: Manifest): number | undefined {
  const value = settings["utilityBudget"]?.value;
  return typeof value === "number" ? value : undefined;
}
