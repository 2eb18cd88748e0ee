/** @file `report`: a run directory as one HTML file. */
import { join } from "node:path";
import { resolveFlags } from "../../base/flags.ts";
import { renderRun } from "../../report/index.ts";
import { REPORT } from "../command-flags.ts";
import type { Invocation } from "../invocation.ts";

export async function run({ given, json }: Invocation): Promise<number> {
  const { values } = resolveFlags(REPORT, given);
  const out = values.out ?? join(values.run, "report.html");
  const bytes = await renderRun(values.run, out, { includeText: values.includeText });
  process.stdout.write(json ? `${JSON.stringify({ out, bytes })}\n` : `${out}\n`);
  return 0;
}
