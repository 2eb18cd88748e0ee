/**
 * @file Peak memory of `audit` on 100,000 texts against 1,000, each in a process of its own, on a tiny random model. One number a
 * text and metric stays (10 MB); most of the rest is what V8 has not collected yet.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { audit } from "../src/verbs/audit.ts";
import { tinyModel } from "../tests/tiny.ts";
import { runAlone } from "./alone.ts";
import type { Row } from "./types.ts";

type Taken = { rss: number; texts: number };
const [FEW, MANY] = [1_000, 100_000];

/** Audits FOLDER/COUNT.jsonl with FOLDER's model. */
export async function ownAudit(folder: string, count: string): Promise<Taken> {
  const { texts } = await audit({
    model: folder,
    texts: join(folder, `${count}.jsonl`),
    prefixTokens: 16,
    suffixTokens: 16,
    threads: 2,
  });
  return { texts, rss: process.resourceUsage().maxRSS * 1024 };
}

export async function streaming(): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), "unrecite-streaming-"));
  try {
    await tinyModel(folder);
    for (const count of [FEW, MANY]) {
      const lines = Array.from(
        { length: count },
        (_, i) =>
          `${JSON.stringify({ id: `t${i}`, text: `text ${i}: ${(i * 7919).toString(36).repeat(6)}`.padEnd(40, ".") })}\n`,
      );
      writeFileSync(join(folder, `${count}.jsonl`), lines.join(""));
    }
    const [few, many] = [FEW, MANY].map((n) => runAlone<Taken>("audit", folder, String(n)));
    if (many!.texts !== MANY) {
      throw new Error(`streaming: expected ${MANY} texts, got ${many!.texts}`);
    }
    const ratio = many!.rss / few!.rss;
    return [
      {
        name: "audit memory",
        value: many!.rss / 1e9,
        unit: "GB",
        peer: { name: `${FEW} texts`, value: few!.rss / 1e9 },
        ratio,
        bound: null,
        bar: "ratio <= 1.5",
        pass: ratio <= 1.5,
      },
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
