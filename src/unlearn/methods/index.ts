/** @file The methods, by name. Adding one: its file, a row here; the contract tests pick it up. */
import { unknownName } from "../../base/errors.ts";
import { em } from "./em.ts";
import { emsoPaper } from "./emso-paper.ts";
import { emso } from "./emso.ts";
import { ga } from "./ga.ts";
import { npo } from "./npo.ts";
import type { Method } from "./types.ts";
import { undial } from "./undial.ts";

export const METHODS = { emso, "emso-paper": emsoPaper, em, ga, npo, undial } satisfies Record<
  string,
  Method
>;
export type MethodName = keyof typeof METHODS;

export function methodNamed(name: string): Method {
  if (!Object.hasOwn(METHODS, name)) throw unknownName("method", name, Object.keys(METHODS));
  return METHODS[name as MethodName];
}

export type { Method, MethodSettings } from "./types.ts";
