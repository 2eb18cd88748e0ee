/** @file The event log's chain: every line holds the SHA-256 of the one before. */
import { createHash } from "node:crypto";
import { gateError } from "../base/errors.ts";

export const chainHead = (line: string): string => createHash("sha256").update(line).digest("hex");

/** Whole lines of a log, and whether a last one was torn by a crash. Throws (exit 1) when the chain does not hold. */
export function parseEvents(
  path: string,
  text: string,
): { lines: string[]; events: Record<string, unknown>[]; torn: boolean } {
  const parts = text.split("\n");
  const rest = parts.pop() ?? "";
  const lines = parts;
  let previous: string | null = null;
  const events: Record<string, unknown>[] = [];
  lines.forEach((line, i) => {
    const event = parseLine(line);
    if (event === undefined || event["previous"] !== previous) {
      throw gateError(
        `${path}: line ${i + 1}: expected the hash of the line before, got another: the log was changed`,
        {
          wayOut: "take the log from where it was written",
        },
      );
    }
    events.push(event);
    previous = chainHead(line);
  });
  return { lines, events, torn: rest !== "" };
}

function parseLine(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
