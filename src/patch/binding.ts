/** @file What ties a patch to its base model and its run: carried in the metadata of the patch, covered by its hash. */
import { createHash } from "node:crypto";
import { z } from "zod";
import { inputError } from "../base/errors.ts";
import { RULES } from "../models/index.ts";

export const binding = z.object({
  schema: z.literal("unrecite/patch/v1"),
  /** factors and sparse change weights; the others act when the model runs, and `merged` is empty. */
  kind: z.enum(["factors", "sparse", "prompt", "decoding"]),
  /** full: old and new values · stripped: new alone, for shipping · undo: old alone. Factors have no old values. */
  values: z.enum(["full", "stripped", "undo"]),
  tool: z.string(),
  method: z.string(),
  settings: z.record(z.string(), z.unknown()),
  base: z.object({
    model: z.string(),
    tokenizer: z.string(),
    /** The hash that a run's manifest gives the model. */
    sha256: z.string(),
    /** SHA-256 of the stored bytes of every tensor of the base model. */
    tensors: z.record(z.string(), z.string()),
  }),
  /** Salted hashes of the forget texts. Every run has its own salt: the seal covers them, the hash of the patch does not. */
  texts: z.array(z.string()),
  /** SHA-256 of the bytes of every changed tensor after the patch. */
  merged: z.record(z.string(), z.string()),
  /** The model with the patch on it, hashed as `base.sha256` is. */
  result: z.string(),
  /** Stored values that differ. */
  changed: z.number().int(),
  /** Of factors: the largest rank, and whether layers store (in, out) as GPT-2 does. */
  rank: z.number().int().optional(),
  transposed: z.boolean().optional(),
  /** Of decoding rules: which, how strong, and what makes the reinforced model of the base, where the rule compares with one. */
  decoding: z
    .object({
      rule: z.enum(RULES),
      strength: z.number(),
      reinforced: z
        .object({
          kind: z.enum(["factors", "sparse"]),
          merged: z.record(z.string(), z.string()),
          transposed: z.boolean().optional(),
        })
        .optional(),
    })
    .optional(),
});
export type Binding = z.infer<typeof binding>;

/** Metadata entries of a patch file: the binding but for the texts, the texts, the hash of the patch, and the seal on it all. */
export const METADATA_KEY = "unrecite";
export const TEXTS_KEY = "unrecite.texts";
export const INTEGRITY_KEY = "unrecite.sha256";
export const SEAL_KEY = "unrecite.seal";

/** What the hash of everything covers of one tensor. */
export type TensorDigest = {
  name: string;
  dtype: string;
  shape: readonly number[];
  sha256: string;
};

/** Metadata of a patch, and its hash: the same for the same weights and settings, whatever salt the run drew. */
export function sealed(
  { texts, ...binding }: Binding,
  beside: readonly string[],
  tensors: readonly TensorDigest[],
): { metadata: Record<string, string>; hash: string } {
  const metadata = {
    format: "pt",
    [METADATA_KEY]: JSON.stringify(binding),
    [TEXTS_KEY]: JSON.stringify(texts),
  };
  const hash = patchHash(metadata, beside, tensors);
  return {
    hash,
    metadata: { ...metadata, [INTEGRITY_KEY]: hash, [SEAL_KEY]: seal(hash, metadata[TEXTS_KEY]) },
  };
}

/** Whether metadata, files beside and tensors are those that were written. */
export function isIntact(
  metadata: Readonly<Record<string, string>>,
  beside: readonly string[],
  tensors: readonly TensorDigest[],
): boolean {
  const hash = patchHash(metadata, beside, tensors);
  return metadata[INTEGRITY_KEY] === hash && metadata[SEAL_KEY] === seal(hash, metadata[TEXTS_KEY]);
}

const seal = (hash: string, texts: string | undefined): string =>
  createHash("sha256").update(`${hash}\n${texts}`).digest("hex");

/** SHA-256 over the metadata (but for hash, seal and texts), the files beside, and every tensor in name order. */
function patchHash(
  metadata: Readonly<Record<string, string>>,
  beside: readonly string[],
  tensors: readonly TensorDigest[],
): string {
  const byKey =
    <T>(key: (x: T) => string) =>
    (a: T, b: T) =>
      key(a) < key(b) ? -1 : 1;
  const apart = [TEXTS_KEY, INTEGRITY_KEY, SEAL_KEY];
  const entries = Object.entries(metadata).filter(([key]) => !apart.includes(key));
  const hash = createHash("sha256");
  hash.update(`${JSON.stringify([entries.sort(byKey(([key]) => key)), beside])}\n`);
  for (const { name, dtype, shape, sha256 } of [...tensors].sort(byKey((t) => t.name))) {
    hash.update(`${JSON.stringify([name, dtype, shape, sha256])}\n`);
  }
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
  const texts = safeJson(metadata[TEXTS_KEY] ?? "");
  const parsed = binding.safeParse({ ...(safeJson(text) as object | undefined), texts });
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
