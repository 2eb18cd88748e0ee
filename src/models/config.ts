/** @file Reads the fields of config.json that a model names, all complaints at once. */
import { z } from "zod";
import { inputError } from "../base/errors.ts";

export function parseConfig<S extends z.ZodType>(
  modelType: string,
  schema: S,
  config: unknown,
): z.infer<S> {
  const parsed = schema.safeParse(config);
  if (parsed.success) return parsed.data;
  const lines = parsed.error.issues.map((i) => `${i.path.join(".") || "(root)"}: ${i.message}`);
  throw inputError(
    `config.json: expected the fields of a ${modelType} model, got\n  ${lines.join("\n  ")}`,
    {
      wayOut: "check that config.json belongs to these weights",
    },
  );
}

export const positive: z.ZodNumber = z.number().int().positive();
