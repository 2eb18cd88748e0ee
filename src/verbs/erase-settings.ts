/** @file A method's settings with flags over them; a flag that would change nothing is refused. */
import { flagName } from "../base/flags.ts";
import { inputError } from "../base/errors.ts";
import { LOSSES } from "../unlearn/losses/index.ts";
import { methodNamed, type MethodSettings } from "../unlearn/methods/index.ts";
import { checkSettings } from "../unlearn/prepare.ts";
import { selectorNamed } from "../unlearn/select/index.ts";
import type { EraseValues } from "./erase.ts";

/** Texts with spans are erased at their spans unless told otherwise. */
export function settingsOf(values: EraseValues, texts: { hasSpans: boolean }): MethodSettings {
  const { settings } = methodNamed(values.method);
  const given = Object.fromEntries(
    Object.keys(settings).flatMap((key) => {
      const value = values[key as keyof EraseValues];
      return value === undefined ? [] : [[key, value]];
    }),
  );
  const spans = texts.hasSpans && values.positions === undefined ? { positions: "span" } : {};
  // a method without a retain term of its own takes the likelihood of the retain text that it is given
  const term =
    values.retain !== undefined && settings.companion === "none" ? { companion: "nll" } : {};
  const resolved = { ...settings, ...spans, ...term, ...given } as MethodSettings;
  refuseUnused(values, resolved, Object.keys(given));
  checkSettings(resolved);
  return resolved;
}

const LOSS_FLAGS = ["beta", "gamma", "smoothing"] as const;

function refuseUnused(
  values: EraseValues,
  settings: MethodSettings,
  given: readonly string[],
): void {
  const { method } = values;
  const loss = LOSSES[settings.loss];
  const used: readonly string[] = settings.companion === "dpo" ? ["beta"] : loss.options;
  const odd = LOSS_FLAGS.find((key) => given.includes(key) && !used.includes(key));
  if (odd !== undefined) {
    const known = LOSS_FLAGS.filter((key) => used.includes(key)).map(flagName);
    throw inputError(
      `${flagName(odd)}: expected an option of ${method} (${known.join(", ") || "none of its own"}), got one that it does not have`,
      { wayOut: `leave out ${flagName(odd)}, or take a method that has it: unrecite ls methods` },
    );
  }
  if (
    settings.beta === 0 &&
    (settings.loss === "npo" || settings.loss === "simnpo" || settings.companion === "dpo")
  ) {
    throw inputError(`--beta: expected more than 0 with ${method}, got 0`, {
      wayOut: "its limit at 0 is --method ga",
    });
  }
  if ((settings.companion === "dpo") !== (values.alternative !== undefined)) {
    throw settings.companion === "dpo"
      ? inputError(`--method ${method}: expected --alternative FILE, got none`, {
          wayOut: "with a text for the id of each text to forget, to be said instead",
        })
      : inputError(`--alternative: expected --method dpo, got --method ${method}`, {
          wayOut: "leave out --alternative, or take --method dpo",
        });
  }
  if (settings.companion === "dpo" && values.retain !== undefined) {
    throw inputError(`--retain: expected a method that takes retain text, got --method ${method}`, {
      wayOut: "leave out --retain: dpo says the alternative texts instead",
    });
  }
  if (/^(nll|kl)$/.test(settings.companion) && values.retain === undefined) {
    throw inputError(
      `--method ${values.method}: expected --retain FILE or --retain self, got none`,
      {
        wayOut: "with self, the model's own samples serve as retain text",
      },
    );
  }
  if (given.includes("alpha") && values.retain === undefined) {
    throw inputError("--alpha: expected --retain beside it, got none", {
      wayOut: "add --retain FILE or --retain self, or leave out --alpha",
    });
  }
  const { kind, name } = selectorNamed(settings.select);
  const idle = [
    ...(kind === "directions" ? ["fraction", "per"] : ["rank"]),
    ...(name === "dense" ? ["fraction", "per"] : []),
  ].find((key) => given.includes(key));
  if (idle === undefined) return;
  throw inputError(
    `${flagName(idle)}: expected a --select that reads it, got --select ${name}, which does not`,
    { wayOut: `leave out ${flagName(idle)}, or take another --select: unrecite ls selectors` },
  );
}
