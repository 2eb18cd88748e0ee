/** @file `generate`: completes a prompt, with and without a patch. */
import { inputError } from "../../base/errors.ts";
import { generate, loadModel, type Model } from "../../models/index.ts";
import { patchedWeights } from "../../verbs/erase-output.ts";
import { openSession } from "../../verbs/session.ts";
import { GENERATE } from "../command-flags.ts";
import type { Invocation } from "../invocation.ts";
import { resolveCall } from "../recipe.ts";

export async function run(call: Invocation): Promise<number> {
  const { json } = call;
  const { values } = await resolveCall(GENERATE, call);
  if (values.diff && values.patch === undefined) {
    throw inputError("generate --diff: expected --patch, got none", { wayOut: "add --patch" });
  }
  openSession(values);
  const model = await loadModel(values.model, {
    dtype: values.dtype === "bfloat16" ? "bfloat16" : "float32",
  });
  const patched =
    values.patch === undefined ? undefined : await patchedWeights(values.patch, model);
  try {
    const ids = model.tokenizer.encode(values.prompt);
    const stopIds = model.tokenizer.eosId === null ? [] : [model.tokenizer.eosId];
    const complete = async ({ arch, weights }: Pick<Model, "arch" | "weights">) => {
      const [out] = await generate(arch, weights, [ids], { ...values, stopIds });
      return model.tokenizer.decode(out!, { skipSpecial: true });
    };
    const after = await complete(patched ?? model);
    const before = values.diff ? await complete(model) : undefined;
    if (json) {
      process.stdout.write(
        `${JSON.stringify({ schema: "unrecite/generate/v1", prompt: values.prompt, text: after, ...(before !== undefined && { without_patch: before }) }, null, 2)}\n`,
      );
    } else if (before !== undefined) {
      process.stdout.write(`without patch: ${before}\nwith patch:    ${after}\n`);
    } else process.stdout.write(`${values.prompt}${after}\n`);
    return 0;
  } finally {
    patched?.dispose();
    model.dispose();
  }
}
