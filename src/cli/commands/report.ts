/** @file `report`: a run directory as one HTML file. */
import { join } from "node:path";
import { renderRun } from "../../report/index.ts";
import { REPORT } from "../command-flags.ts";
import type { Invocation } from "../invocation.ts";
import { resolveCall } from "../recipe.ts";

export async function run(call: Invocation): Promise<number> {
  const { json } = call;
  const { values } = await resolveCall(REPORT, call);
  const out = values.out ?? join(values.run, "report.html");
  const bytes = await renderRun(values.run, out, { includeText: values.includeText });
  process.stdout.write(json ? `${JSON.stringify({ out, bytes })}\n` : `${out}\n`);
  return 0;
}
