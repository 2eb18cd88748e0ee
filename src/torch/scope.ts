/**
 * @file Who frees a tensor. `tidy(fn)` frees what was made inside except what it returns; `keep` hands a tensor to an
 * owner outside the scopes. Scopes are synchronous on purpose: an await inside one would mix the tensors of two tasks.
 */
import { native } from "./native.ts";
import type { Tensor } from "./tensor.ts";

const scopes: Tensor[][] = [];

// The net under tensors made outside any scope; everything on a hot path lives in a scope.
const collected = new FinalizationRegistry<number>((handle) => native().free(handle));

export function adopt(tensor: Tensor): void {
  const scope = scopes.at(-1);
  if (scope === undefined) collected.register(tensor, tensor.handle, tensor);
  else scope.push(tensor);
}

export function forget(tensor: Tensor): void {
  if (scopes.length === 0) collected.unregister(tensor);
}

/** Takes a tensor out of the current scope: its caller now owns it and disposes it. */
export function keep<T extends Tensor>(tensor: T): T {
  tensor.kept = true;
  return tensor;
}

/** Runs `fn`, then frees every tensor made inside that is neither kept nor part of the returned value. */
export function tidy<T>(fn: () => T): T {
  const scope: Tensor[] = [];
  scopes.push(scope);
  let survivors: ReadonlySet<Tensor> = new Set();
  try {
    const result = fn();
    if (result instanceof Promise) {
      throw new TypeError("tidy: expected a synchronous function, got a promise");
    }
    survivors = tensorsIn(result);
    return result;
  } finally {
    scopes.pop();
    const doomed: number[] = [];
    for (const tensor of scope) {
      if (tensor.kept) continue;
      if (survivors.has(tensor)) adopt(tensor);
      else doomed.push(tensor.handle);
    }
    native().freeMany(doomed);
  }
}

/** What `fill` keeps in the map is the caller's; where it fails or is stopped, nobody's: it is freed. */
export async function wholeMap<K>(
  fill: (made: Map<K, Tensor>) => Promise<void>,
): Promise<Map<K, Tensor>> {
  const made = new Map<K, Tensor>();
  try {
    await fill(made);
    return made;
  } catch (error) {
    disposeAll(made);
    throw error;
  }
}

/** Disposes every tensor in a value (arrays, maps, plain objects). */
export function disposeAll(value: unknown): void {
  for (const tensor of tensorsIn(value)) tensor.dispose();
}

function tensorsIn(value: unknown, found = new Set<Tensor>()): Set<Tensor> {
  if (typeof value !== "object" || value === null) return found;
  if ("handle" in value && "kept" in value) {
    found.add(value as Tensor);
  } else if (Array.isArray(value) || value instanceof Map || value instanceof Set) {
    for (const item of value.values()) tensorsIn(item, found);
  } else if (Object.getPrototypeOf(value) === Object.prototype) {
    for (const item of Object.values(value)) tensorsIn(item, found);
  }
  return found;
}
