/** @file `audit` on the command line: rows go to texts.jsonl as they are found, so an interrupted scan goes on. */
import { appendFileSync } from "node:fs";
import { audit, type AuditRow } from "../../verbs/audit.ts";
import { AUDIT } from "../../verbs/flags.ts";
import { readTextLines, type RunDirectory, type TextLine } from "../../run/index.ts";
import type { Invocation } from "../invocation.ts";
import { longCommand, percent } from "../long.ts";

export const run = (call: Invocation): Promise<number> =>
  longCommand({
    name: "audit",
    table: AUDIT,
    call,
    async execute({ options, values, run: folder, signal, onEvent }) {
      const path = folder.file("texts.jsonl");
      const known = await rowsIn(folder);
      const onRow = (row: AuditRow, content: string) => {
        const { id, ...before } = row;
        const status = row["exact_match"] === 1 ? "recited" : "measured";
        const line: TextLine = {
          id,
          set: "texts",
          hash: folder.hashText(content),
          before: before as Record<string, number>,
          status,
          ...(values.includeText && { text: content }),
        };
        appendFileSync(path, `${JSON.stringify(line)}\n`);
      };
      const { failed, ...result } = await audit(options, {
        signal,
        onEvent,
        onRow,
        known,
      });
      const summary = [
        `recited    ${result.recited} of ${result.texts} texts (${percent(result.recited / result.texts)})${result.skipped > 0 ? `, ${result.skipped} too short` : ""}`,
        ...result.ranked
          .slice(0, 10)
          .map(
            (r) =>
              `${r["exact_match"] === 1 ? "recited   " : "          "} ${String(r["memorization_accuracy"]).slice(0, 5).padEnd(6)} ${r.id}`,
          ),
        ...(failed === null ? [] : [`failed     ${failed}`]),
      ];
      return { result, exitCode: failed === null ? 0 : 1, summary };
    },
  });

/** Rows of the interrupted scan; a line torn by a crash is taken off the file and measured again. */
async function rowsIn(folder: RunDirectory): Promise<Map<string, AuditRow>> {
  const path = folder.file("texts.jsonl");
  const { lines, torn } = readTextLines(path, {
    wayOut: `remove the file: --resume ${folder.path} then measures every text again`,
  });
  if (torn) await folder.saveTexts(lines); // or the next line would be put behind what is left of it
  return new Map(lines.map(({ id, before }) => [id, { id, ...before } as AuditRow]));
}
