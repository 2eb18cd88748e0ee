/** @file What every command settles first: dtype, threads, memory ceiling, seed; and what it will say of them. */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { environmentError } from "../base/errors.ts";
import { chooseDType } from "../setup/cpu.mjs";
import { locateAddon } from "../setup/locate.mjs";
import { packageRoot } from "../setup/paths.mjs";
import { manualSeed, setMemoryLimit, setThreads } from "../torch/index.ts";

export type SessionOptions = {
  readonly seed: number;
  readonly device: string;
  readonly dtype: string;
  readonly threads: number | undefined;
  readonly memory: number | undefined;
};

export type Session = {
  readonly device: string;
  readonly dtype: "float32" | "bfloat16";
  readonly dtypeReason: string;
  readonly threads: number;
  readonly versions: { unrecite: string; node: string; libtorch: string };
};

export const toolVersion = (): string =>
  (JSON.parse(readFileSync(join(packageRoot(), "package.json"), "utf8")) as { version: string })
    .version;

export function openSession({ seed, device, dtype, threads, memory }: SessionOptions): Session {
  const { libtorch } = locateAddon();
  if (device === "cuda") {
    throw environmentError(
      `--device cuda: expected a LibTorch with CUDA and a GPU, got ${libtorch.version} for the CPU`,
      { wayOut: "use --device cpu" },
    );
  }
  const chosen = chooseDType(dtype as "auto" | "float32" | "bfloat16");
  const count = threads ?? availableParallelism();
  setThreads(count);
  setMemoryLimit(memory ?? 0);
  manualSeed(seed);
  return {
    device: "cpu",
    dtype: chosen.dtype,
    dtypeReason: chosen.reason,
    threads: count,
    versions: { unrecite: toolVersion(), node: process.version, libtorch: libtorch.version },
  };
}

/** Highest resident set of this process so far, bytes. */
export const peakRss = (): number => process.resourceUsage().maxRSS * 1024;
