/**
 * @file The door from TypeScript: operators by their place in ops.list.ts, opened on first use. `call` takes any of them
 * by name and refuses the guarded ones.
 */
import { unknownName } from "../base/errors.ts";
import { native, type Native } from "./native.ts";
import { GUARDED, OPS, type OpName } from "./ops.list.ts";
import { made, Tensor } from "./tensor.ts";

const NAMES = Object.keys(OPS) as OpName[];
const ids: (number | undefined)[] = [];
let addon: Native | undefined;

/** Calls operator number `index` of OPS with raw handles; used by the generated wrappers. */
export function invoke(index: number, ...args: unknown[]): unknown {
  addon ??= native();
  const id = (ids[index] ??= addon.open(OPS[NAMES[index]!]));
  return addon.call(id, ...args);
}

/** Calls an operator by name; tensors in, tensors out. Throws for guarded operators and for wrong arguments. */
export function call(name: string, args: readonly unknown[]): unknown {
  const index = NAMES.indexOf(name as OpName);
  if (index < 0) throw unknownName("operator", name, NAMES);
  const reason = GUARDED[name as OpName];
  if (reason !== undefined) {
    throw new TypeError(`${name}: expected a call through guarded.ts, got a direct one: ${reason}`);
  }
  return wrapped(invoke(index, ...args.map(unwrapped)), args);
}

function unwrapped(value: unknown): unknown {
  if (value instanceof Tensor) return value.handle;
  return Array.isArray(value) ? value.map(unwrapped) : value;
}

// Handles are far above any value a small operator returns as a number, and live ones are known to the table.
function wrapped(value: unknown, args: readonly unknown[]): unknown {
  if (Array.isArray(value)) return value.map((v) => wrapped(v, args));
  if (typeof value !== "number" || !native().live(value)) return value;
  const same = args.find((a) => a instanceof Tensor && a.handle === value);
  return same ?? made(value);
}
