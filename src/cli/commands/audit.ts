/** @file `audit` on the command line: rows go to texts.jsonl as they are found, so an interrupted scan goes on. */
import { appendFileSync } from "node:fs";
import type { AuditResult } from "../../eval/index.ts";
import { audit, type AuditRow } from "../../verbs/audit.ts";
import { AUDIT } from "../../verbs/flags.ts";
import { readTextLines, type RunDirectory, type TextLine } from "../../run/index.ts";
import type { Invocation } from "../invocation.ts";
import { longCommand, percent } from "../long.ts";
import { skippedLines } from "../skipped.ts";

export const run = (call: Invocation): Promise<number> =>
  longCommand({
    name: "audit",
    table: AUDIT,
    call,
    async execute({ options, values, run: folder, signal, onEvent, onFacts }) {
      const path = folder.file("texts.jsonl");
      const { known, conclude } = await earlierRows(folder, onEvent);
      const append = (line: TextLine) => appendFileSync(path, `${JSON.stringify(line)}\n`);
      const onRow = (row: AuditRow, content: string, basis: string) => {
        const { id, ...before } = row;
        const status = row["exact_match"] === 1 ? "recited" : "measured";
        const line: TextLine = {
          id,
          set: "texts",
          hash: folder.hashText(content),
          before: before as Record<string, number>,
          basis: folder.hashText(basis),
          status,
          ...(values.includeText && { text: content }),
        };
        append(line);
      };
      const onSkipped = (id: string) => append({ id, set: "texts", hash: "", status: "skipped" });
      const { failed, ...result } = await audit(options, {
        signal,
        onEvent,
        onFacts,
        onRow,
        onSkipped,
        known,
      });
      await conclude();
      const summary = [...summaryOf(result), ...(failed === null ? [] : [`failed     ${failed}`])];
      return { result, exitCode: failed === null ? 0 : 1, summary };
    },
  });

function summaryOf(r: AuditResult): string[] {
  const share = `${r.recited} of ${r.texts} texts (${percent(r.recited / r.texts)})`;
  const ranked = r.ranked.slice(0, 10).map((row) => {
    const is = row["exact_match"] === 1 ? "recited" : "";
    return `${is.padEnd(10)} ${String(row["memorization_accuracy"]).slice(0, 5).padEnd(6)} ${row.id}`;
  });
  return [
    `recited    ${share}${r.skipped > 0 ? `, ${r.skipped} too short` : ""}`,
    ...ranked,
    ...skippedLines(r),
  ];
}

/** Rows of the interrupted scan; a line torn by a crash is taken off the file and measured again. */
async function earlierRows(folder: RunDirectory, onEvent: (event: { type: string }) => void) {
  const path = folder.file("texts.jsonl");
  const wayOut = `remove the file: --resume ${folder.path} then measures every text again`;
  const { lines, torn } = readTextLines(path, { wayOut });
  if (torn) await folder.saveTexts(lines); // or the next line would be put behind what is left of it
  const measured = lines.filter(({ status }) => status !== "skipped"); // those are found again
  const lineOf = new Map(measured.map((line) => [line.id, line]));
  const met: string[] = [];
  let stale = false;
  const known = (id: string, basis: string): AuditRow | undefined => {
    met.push(id);
    const line = lineOf.get(id);
    if (line === undefined) return undefined;
    if (line.basis === folder.hashText(basis) && isWhole(line)) {
      return { id, ...line.before } as AuditRow;
    }
    if (!stale) onEvent(STALE);
    stale = true;
    return undefined;
  };
  /** Leaves one line for each text of this scan, in its order. */
  const conclude = async (): Promise<void> => {
    if (lines.length === 0) return;
    const last = new Map(readTextLines(path).lines.map((line) => [line.id, line]));
    await folder.saveTexts(met.flatMap((id) => last.get(id) ?? []));
  };
  return { known, conclude };
}

const STALE = {
  type: "warning",
  message: "rows of the earlier scan are of another model, cut, metrics or text: measured anew",
};

/** An infinite figure is null in JSON. */
const isWhole = ({ before = {} }: TextLine): boolean =>
  Object.values(before).every((value) => typeof value === "number");
