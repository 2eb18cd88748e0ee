/** @file A method's settings with flags over them; a flag that would change nothing is refused. */
import { methodNamed, retainTerm, type MethodSettings } from "../unlearn/methods/index.ts";
import { checkSettings } from "../unlearn/check-settings.ts";
import { refuseUnused } from "./erase-refused.ts";
import type { EraseValues } from "./erase-types.ts";

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
  const constrained = (values.constraint ?? settings.constraint) !== "none";
  const term =
    values.retain !== undefined && !constrained && retainTerm(settings) === "taken"
      ? { companion: "nll" }
      : {};
  const resolved = { ...settings, ...spans, ...term, ...given } as MethodSettings;
  refuseUnused(values, resolved, Object.keys(given));
  checkSettings(resolved);
  return resolved;
}
