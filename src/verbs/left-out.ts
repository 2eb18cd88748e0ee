/** @file Says what a model that was written came without. */
import type { ModelSource } from "../io/index.ts";

type Say = ((event: { type: "warning"; message: string }) => void) | undefined;

/** A warning that names the files beside `source` which did not go into `--out`; none where all went along. */
export function sayLeftOut({ leftOut }: Pick<ModelSource, "leftOut">, say: Say): void {
  if (leftOut.length === 0) return;
  const message = `--out: left out, as no part of the model: ${leftOut.join(", ")}`;
  say?.({ type: "warning", message });
}
