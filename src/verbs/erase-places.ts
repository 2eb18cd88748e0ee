/** @file Where erase writes: free before anything is trained, or what an interrupted attempt of the same run left there. */
import { rm } from "node:fs/promises";
import { inputError } from "../base/errors.ts";
import { expectEmptyFolder, expectWritable, isInside } from "../io/index.ts";
import { expectNewFile } from "../patch/write.ts";
import type { MethodSettings } from "../unlearn/methods/index.ts";
import { selectorNamed } from "../unlearn/select/index.ts";
import type { EraseValues, RunFiles } from "./erase-types.ts";

type Place = { readonly path: string; readonly kind: "file" | "folder" };

/** Refuses places that hold something, that cannot be written to, or that lie in one another. */
export async function expectPlaces(
  { out, patchOut }: EraseValues,
  settings: MethodSettings,
  files: RunFiles | undefined,
): Promise<void> {
  const kind = patchKind(settings);
  const patch = patchOut ?? files?.patch(kind === "folder" ? "factors" : "sparse");
  if (out !== undefined && patch === undefined) {
    throw inputError("--out: expected --patch-out beside it where there is no run, got none", {
      wayOut: "name a place for the patch that the merged model is made with",
    });
  }
  if (out !== undefined && (isInside(patch!, out) || isInside(out, patch!))) {
    throw inputError(`--out ${out}: expected a place apart from the patch, got ${patch} for it`, {
      wayOut: "keep the patch apart from the model: with old values in it, it can be undone",
    });
  }
  if (patch !== undefined) await expectFree({ path: patch, kind }, files);
  if (out !== undefined) await expectFree({ path: out, kind: "folder" }, files);
}

/** Directions go into an adapter directory, everything else into one file. */
const patchKind = ({ writes, select }: MethodSettings): Place["kind"] =>
  writes === "weights" && selectorNamed(select).kind === "directions" ? "folder" : "file";

async function expectFree({ path, kind }: Place, files: RunFiles | undefined): Promise<void> {
  if (files?.owns(path) === true) return;
  if (kind === "folder") await expectEmptyFolder(path);
  else expectNewFile(path);
  expectWritable(path);
}

/** Writes to a place that is free, or from which this run's own earlier attempt is taken away first. */
export async function writeTo<T>(
  place: Place,
  files: RunFiles | undefined,
  write: () => Promise<T>,
): Promise<T> {
  await expectFree(place, files);
  if (files?.owns(place.path) === true) await rm(place.path, { recursive: true, force: true });
  const result = await write();
  files?.wrote(place.path);
  return result;
}
