/**
 * @file One table per command: name, kind, default and help of every flag. Command line, recipes, help text and the library's
 * option types all come from it.
 */
import { inputError, unknownName, UnreciteError } from "./errors.ts";
import { didYouMean } from "./suggest.ts";

type Common = { readonly help: string; readonly required?: true };
export type Flag = Common &
  (
    | { readonly kind: "text"; readonly default?: string }
    | { readonly kind: "list"; readonly default?: readonly string[] }
    | { readonly kind: "switch"; readonly default: false }
    | { readonly kind: "choice"; readonly of: readonly string[]; readonly default?: string }
    | {
        /** One integer or several, each within the bounds. */
        readonly kind: "integers";
        readonly default?: readonly number[];
        readonly min?: number;
        readonly max?: number;
      }
    | {
        readonly kind: "integer" | "number";
        readonly default?: number;
        readonly min?: number;
        readonly max?: number;
      }
  );
export type Flags = Readonly<Record<string, Flag>>;

type ValueOf<F extends Flag> = F extends { kind: "switch" }
  ? boolean
  : F extends { kind: "integer" | "number" }
    ? number
    : F extends { kind: "integers" }
      ? readonly number[]
      : F extends { kind: "list" }
        ? readonly string[]
        : F extends { kind: "choice"; of: readonly (infer T)[] }
          ? T
          : string;
type Given<F extends Flag> = F extends { required: true } | { default: unknown }
  ? ValueOf<F>
  : ValueOf<F> | undefined;
/** Resolved values of a table: undefined only where there is neither a default nor a duty. */
export type Values<T extends Flags> = { readonly [K in keyof T]: Given<T[K]> };
/** What a library caller gives: required flags, and whatever else they like. */
export type Options<T extends Flags> = {
  readonly [K in keyof T as T[K] extends { required: true } ? K : never]: ValueOf<T[K]>;
} & {
  readonly [K in keyof T as T[K] extends { required: true } ? never : K]?:
    ValueOf<T[K]> | undefined;
};

export type Origin = "flag" | "recipe" | "default";
export type Resolved<T extends Flags> = { values: Values<T>; origins: Record<string, Origin> };

/** camelCase to the flag's spelling: prefixTokens → --prefix-tokens. */
export const flagName = (key: string): string =>
  `--${key.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`;

/** Resolves values given on the command line and in a recipe (flags win), of a `file`; complains of everything at once. */
export function resolveFlags<T extends Flags>(
  table: T,
  given: Readonly<Record<string, unknown>>,
  recipe: Readonly<Record<string, unknown>> = {},
  { file = "the recipe" }: { file?: string | undefined } = {},
): Resolved<T> {
  const problems: string[] = [];
  const values: Record<string, unknown> = {};
  const origins: Record<string, Origin> = {};
  for (const [what, of] of [
    ["option", given],
    [`option in ${file}:`, recipe],
  ] as const) {
    const odd = Object.keys(of).find((key) => !Object.hasOwn(table, key));
    if (odd !== undefined) {
      throw unknownName(what, flagName(odd), Object.keys(table).map(flagName));
    }
  }
  for (const [key, flag] of Object.entries(table)) {
    const [raw, origin]: [unknown, Origin] =
      given[key] !== undefined
        ? [given[key], "flag"]
        : recipe[key] !== undefined
          ? [recipe[key], "recipe"]
          : ["default" in flag ? flag.default : undefined, "default"];
    origins[key] = origin;
    if (raw === undefined) {
      if (flag.required) {
        problems.push(`${flagName(key)}: expected a value (${flag.help}), got none`);
      }
      continue;
    }
    const parsed = parseValue(flag, raw);
    if (parsed === undefined) {
      const where = `${origin === "recipe" ? `${file}: ` : ""}${flagName(key)}`;
      const got = JSON.stringify(raw);
      problems.push(`${where}: expected ${wanted(flag)}, got ${got}${meant(flag, raw)}`);
    } else values[key] = parsed;
  }
  if (problems.length > 0) {
    throw inputError(problems.join("\n"), { wayOut: "see --help of the command" });
  }
  return { values: values as Values<T>, origins };
}

function wanted(flag: Flag): string {
  switch (flag.kind) {
    case "text":
      return "text";
    case "list":
      return "names separated by commas";
    case "switch":
      return "true or false";
    case "choice":
      return `one of ${flag.of.join(", ")}`;
    case "integers":
    case "integer":
    case "number": {
      const what = { integers: "integers", integer: "an integer", number: "a number" }[flag.kind];
      const range = [
        ...(flag.min !== undefined ? [`at least ${flag.min}`] : []),
        ...(flag.max !== undefined ? [`at most ${flag.max}`] : []),
      ];
      return range.length > 0 ? `${what}, ${range.join(" and ")}` : what;
    }
  }
}

/** The choice that a wrong one is closest to, as a question. */
function meant(flag: Flag, raw: unknown): string {
  const asked = flag.kind === "choice" && typeof raw === "string" ? didYouMean(raw, flag.of) : "";
  return asked === "" ? "" : `.${asked}`;
}

/** In JSON a name that is made of digits, as --rounding 4, is naturally a number. */
const isName = (raw: unknown): raw is string | number =>
  typeof raw === "string" || Number.isFinite(raw);

function parseValue(flag: Flag, raw: unknown): unknown {
  switch (flag.kind) {
    case "text":
      return typeof raw === "string" && raw !== "" ? raw : undefined;
    case "list":
      if (typeof raw === "string") {
        return raw
          .split(",")
          .map((s) => s.trim())
          .filter((s) => s !== "");
      }
      return Array.isArray(raw) && raw.every(isName) ? raw.map(String) : undefined;
    case "switch":
      return typeof raw === "boolean" ? raw : undefined;
    case "choice":
      return isName(raw) && flag.of.includes(String(raw)) ? String(raw) : undefined;
    case "integers": {
      const each = typeof raw === "string" ? raw.split(",") : Array.isArray(raw) ? raw : [raw];
      const { min, max } = flag;
      const one: Flag = {
        kind: "integer",
        help: "",
        ...(min !== undefined && { min }),
        ...(max !== undefined && { max }),
      };
      const values = each.map((v) => parseValue(one, v));
      return values.length > 0 && !values.includes(undefined) ? values : undefined;
    }
    case "integer":
    case "number": {
      const value =
        typeof raw === "number"
          ? raw
          : typeof raw === "string" && raw.trim() !== ""
            ? Number(raw)
            : NaN;
      const fits =
        Number.isFinite(value) &&
        value >= (flag.min ?? -Infinity) &&
        value <= (flag.max ?? Infinity);
      return fits && (flag.kind === "number" || Number.isInteger(value)) ? value : undefined;
    }
  }
}

/** Whether an error is one of usage: the CLI then points to --help. */
export const isUsage = (error: unknown): boolean =>
  error instanceof UnreciteError && error.exitCode === 2;
