/** @file Numbers from a named seed: the same name gives the same numbers, on every machine, at every point of a run. */
import { createHash } from "node:crypto";

/** `count` integers in [0, below), from SHA-256 of the name in counter mode. */
export function randomIntegers(name: string, below: number, count: number): number[] {
  const out: number[] = [];
  for (let block = 0; out.length < count; block++) {
    const digest = createHash("sha256").update(`${name}\n${block}`).digest();
    for (let at = 0; at + 6 <= digest.length && out.length < count; at += 6) {
      out.push(digest.readUIntBE(at, 6) % below);
    }
  }
  return out;
}

/** A permutation of the items (Fisher-Yates). */
export function shuffled<T>(name: string, items: readonly T[]): T[] {
  const list = [...items];
  const draws = randomIntegers(name, 2 ** 48, list.length);
  for (let i = list.length - 1; i > 0; i--) {
    const j = draws[i]! % (i + 1);
    [list[i], list[j]] = [list[j]!, list[i]!];
  }
  return list;
}
