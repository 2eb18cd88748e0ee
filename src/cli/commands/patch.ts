/** @file `patch`: inspect, verify, apply, revert, strip. */
import { inputError, unknownName } from "../../base/errors.ts";
import { resolveFlags, type Values } from "../../base/flags.ts";
import {
  applyPatch,
  inspectPatch,
  revertPatch,
  stripPatch,
  verifyPatch,
} from "../../patch/index.ts";
import { PATCH } from "../command-flags.ts";
import type { Invocation } from "../invocation.ts";

type Flags = Values<typeof PATCH>;

const need = (values: Flags, key: "model" | "out", verb: string): string => {
  const value = values[key];
  if (value === undefined) {
    throw inputError(`patch ${verb}: expected --${key}, got none`, { wayOut: `add --${key}` });
  }
  return value;
};

const VERBS: Record<string, (values: Flags) => Promise<object>> = {
  inspect: ({ patch }) => inspectPatch(patch),
  verify: ({ patch, model }) => verifyPatch({ patch, model }),
  strip: (values) => stripPatch({ patch: values.patch, out: need(values, "out", "strip") }),
  apply: async (values) => {
    const out = need(values, "out", "apply");
    const { patch, undo } = values;
    return {
      out,
      ...(await applyPatch({
        model: need(values, "model", "apply"),
        patch,
        out,
        ...(undo !== undefined && { undo }),
      })),
    };
  },
  revert: async (values) => {
    const out = need(values, "out", "revert");
    return {
      out,
      ...(await revertPatch({ model: need(values, "model", "revert"), patch: values.patch, out })),
    };
  },
};

export async function run({ operands, given, json }: Invocation): Promise<number> {
  const verb = VERBS[operands[0] ?? ""];
  if (verb === undefined) throw unknownName("verb of patch", operands[0] ?? "", Object.keys(VERBS));
  const { values } = resolveFlags(PATCH, given);
  const result = await verb(values);
  if (json) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  else {
    for (const [key, value] of Object.entries(result)) {
      process.stdout.write(
        `${key.padEnd(10)} ${typeof value === "object" ? JSON.stringify(value) : String(value)}\n`,
      );
    }
  }
  return 0;
}
