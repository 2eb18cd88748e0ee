/** @file From a table of flags to commander's options, and back to what was given. */
import { Option, type Command } from "commander";
import { flagName, type Flag, type Flags } from "../base/flags.ts";

export function addFlags(command: Command, flags: Flags): void {
  for (const [key, flag] of Object.entries(flags)) {
    const value = flag.kind === "switch" ? "" : ` <${placeholder(flag)}>`;
    const fallback =
      "default" in flag && flag.kind !== "switch" && flag.default !== undefined
        ? ` (default: ${String(flag.default)})`
        : "";
    const choices = flag.kind === "choice" ? `: ${flag.of.join(", ")}` : "";
    command.addOption(new Option(`${flagName(key)}${value}`, `${flag.help}${choices}${fallback}`));
  }
}

function placeholder(flag: Flag): string {
  switch (flag.kind) {
    case "integer":
      return "n";
    case "number":
      return "x";
    case "integers":
      return "n,m";
    case "list":
      return "a,b";
    case "choice":
      return "name";
    case "text":
    case "switch":
      return "value";
  }
}

/** Only what was typed; defaults are the table's business. */
export const givenFlags = (opts: Record<string, unknown>, flags: Flags): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(opts).filter(([key, value]) => Object.hasOwn(flags, key) && value !== undefined),
  );
