/** @file `patch`: inspect, verify, apply, revert, strip. */
import { inputError, unknownName, UnreciteError } from "../../base/errors.ts";
import type { Values } from "../../base/flags.ts";
import {
  applyPatch,
  inspectPatch,
  revertPatch,
  stripPatch,
  verifyPatch,
} from "../../patch/index.ts";
import { PATCH } from "../command-flags.ts";
import { interruptible } from "../interruptible.ts";
import type { Invocation } from "../invocation.ts";
import { resolveCall } from "../recipe.ts";

type Flags = Values<typeof PATCH>;

const need = (values: Flags, key: "model" | "patch" | "out", verb: string): string => {
  const value = values[key];
  if (value === undefined) {
    throw inputError(`patch ${verb}: expected --${key}, got none`, { wayOut: `add --${key}` });
  }
  return value;
};

type Verb = (values: Flags) => Promise<object>;

const VERBS: Record<string, Verb> = {
  inspect: (values) => inspectPatch(need(values, "patch", "inspect")),
  verify: (values) => verifyPatch({ patch: need(values, "patch", "verify"), model: values.model }),
  strip: (values) => {
    const [patch, out] = [need(values, "patch", "strip"), need(values, "out", "strip")];
    return stoppable((signal) => stripPatch({ patch, out, signal }));
  },
  apply: (values) => {
    const [model, out] = [need(values, "model", "apply"), need(values, "out", "apply")];
    const patch = need(values, "patch", "apply");
    const { undo } = values;
    return stoppable(async (signal) => ({
      out,
      ...(await applyPatch({ model, patch, out, undo, signal })),
    }));
  },
  revert: (values) => {
    const [model, out] = [need(values, "model", "revert"), need(values, "out", "revert")];
    const { patch, undo } = values;
    return stoppable(async (signal) => ({
      out,
      ...(await revertPatch({ model, patch, undo, out, signal })),
    }));
  },
};

/** Ctrl+C takes back what was written so far: half an undo file would be in the way of the next try. */
async function stoppable(work: (signal: AbortSignal) => Promise<object>): Promise<object> {
  const interrupted = interruptible();
  try {
    return await work(interrupted.signal);
  } catch (error) {
    if (!interrupted.signal.aborted) throw error;
    throw new UnreciteError("interrupted: nothing was kept", {
      exitCode: interrupted.code(),
      wayOut: "give the same command again",
      cause: error,
    });
  } finally {
    interrupted.dispose();
  }
}

export async function run(call: Invocation): Promise<number> {
  const { operands, json } = call;
  const verb = VERBS[operands[0] ?? ""];
  if (verb === undefined) throw unknownName("verb of patch", operands[0] ?? "", Object.keys(VERBS));
  const { values } = await resolveCall(PATCH, call);
  const result = await verb(values);
  if (json) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  else {
    for (const [key, value] of Object.entries(result)) {
      if (Array.isArray(value) && value.length === 0) continue;
      process.stdout.write(
        `${key.padEnd(10)} ${typeof value === "object" ? JSON.stringify(value) : String(value)}\n`,
      );
    }
  }
  return 0;
}
