/** @file A run directory as one self-contained HTML file. */
import { writeFileAtomic } from "../io/atomic.ts";
import { readRun } from "./read-run.ts";

export { readRun, type RunData } from "./read-run.ts";

/** Renders `folder` to `out`; texts appear only with `includeText`, and only if the run kept them. Returns the bytes. */
export async function renderRun(
  folder: string,
  out: string,
  { includeText }: { includeText: boolean },
): Promise<number> {
  const data = readRun(folder);
  const { renderReport } = await import("./render.ts"); // the chart library loads here
  const text = renderReport({ ...data, includeText });
  await writeFileAtomic(out, text);
  return Buffer.byteLength(text);
}
