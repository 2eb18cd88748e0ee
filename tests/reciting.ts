/** @file A tiny model that was made to recite texts: what most tests of commands begin with. */
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { memorize, type MemorizeHooks } from "../src/index.ts";
import { sentences, textsFile, tinyModel } from "./tiny.ts";

/** Texts of 24 bytes: half given, half scored. */
export const CUT = { prefixTokens: 12, suffixTokens: 12 };

/** Makes `out` in the folder recite `texts`; it starts from the folder's `base`, made on first use. */
export async function reciting(
  folder: string,
  texts: string,
  { out = "target", ...hooks }: { out?: string } & MemorizeHooks = {},
): Promise<void> {
  const base = join(folder, "base");
  if (!existsSync(base)) {
    mkdirSync(base);
    await tinyModel(base);
  }
  await memorize(
    {
      model: base,
      texts,
      general: textsFile(folder, "general", sentences("general", 24, 24)),
      out: join(folder, out),
      lr: 4e-3,
      epochs: 400,
      ...CUT,
    },
    hooks,
  );
}
