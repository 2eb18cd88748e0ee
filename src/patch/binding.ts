/** @file What ties a patch to its base model and its run: carried in the metadata of the patch, covered by its hash. */
import { createHash } from "node:crypto";
import { z } from "zod";
import { inputError } from "../base/errors.ts";

export const binding = z.object({
  schema: z.literal("unrecite/patch/v1"),
  kind: z.enum(["factors", "sparse"]),
  /** full: old and new values · stripped: new alone, for shipping · undo: old alone. Factors have no old values. */
  values: z.enum(["full", "stripped", "undo"]),
  tool: z.string(),
  method: z.string(),
  settings: z.record(z.string(), z.unknown()),
  base: z.object({
    model: z.string(),
    tokenizer: z.string(),
    /** SHA-256 of the stored bytes of every tensor of the base model. */
    tensors: z.record(z.string(), z.string()),
  }),
  /** Salted hashes of the forget texts. */
  texts: z.array(z.string()),
  /** SHA-256 of the bytes of every changed tensor after the patch. */
  merged: z.record(z.string(), z.string()),
  /** Stored values that differ. */
  changed: z.number().int(),
});
export type Binding = z.infer<typeof binding>;

/** Metadata entries of a patch file: the binding, and the hash of everything. */
export const METADATA_KEY = "unrecite";
export const INTEGRITY_KEY = "unrecite.sha256";

/** SHA-256 over the binding, further files, and every tensor's name and bytes, in order. */
export function integrity(
  text: string,
  extra: readonly string[],
  tensors: Iterable<readonly [string, Uint8Array]>,
): string {
  const hash = createHash("sha256").update(`${text}\n${extra.join("\n")}\n`);
  for (const [name, bytes] of tensors) hash.update(`${name} ${bytes.length}\n`).update(bytes);
  return hash.digest("hex");
}

/** The binding in a patch file's metadata. */
export function parseBinding(path: string, metadata: Readonly<Record<string, string>>): Binding {
  const text = metadata[METADATA_KEY];
  if (text === undefined) {
    throw inputError(
      `${path}: expected a patch of unrecite, got a safetensors file without its metadata`,
      { wayOut: "name the patch that erase wrote" },
    );
  }
  const parsed = binding.safeParse(safeJson(text));
  if (parsed.success) return parsed.data;
  const first = parsed.error.issues[0]!;
  throw inputError(
    `${path}: expected a whole binding, got a damaged one: ${first.path.join(".")}: ${first.message}`,
    { wayOut: "take the patch from where it was written" },
  );
}

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
