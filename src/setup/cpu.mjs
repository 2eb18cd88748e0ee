/** @file What the processor can do, from /proc/cpuinfo. */
import { existsSync, readFileSync } from "node:fs";

const KNOWN = ["avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_tile"];

/** The flags we care about that this processor has. @returns {string[]} */
export function cpuFlags() {
  if (!existsSync("/proc/cpuinfo")) return [];
  const line = /^flags\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1] ?? "";
  const all = new Set(line.split(/\s+/));
  return KNOWN.filter((flag) => all.has(flag));
}

/**
 * The dtype of training. By the processor's features, never by a timing, which could differ between a run and its
 * continuation: bfloat16 is faster only with AMX.
 * @param {"auto" | "float32" | "bfloat16"} requested
 * @param {{ flags?: string[], device?: "cpu" | "cuda" }} [where]
 * @returns {{ dtype: "float32" | "bfloat16", reason: string }}
 */
export function chooseDType(requested, { flags = cpuFlags(), device = "cpu" } = {}) {
  if (requested !== "auto") return { dtype: requested, reason: "asked for" };
  if (device === "cuda") {
    return { dtype: "float32", reason: "on a GPU, float32 unless asked for otherwise" };
  }
  const amx = flags.includes("amx_bf16") && flags.includes("amx_tile");
  return amx
    ? { dtype: "bfloat16", reason: "the processor has AMX" }
    : { dtype: "float32", reason: "the processor has no AMX" };
}
