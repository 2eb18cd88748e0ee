/** @file What every command settles first: dtype, threads, memory ceiling, seed; and what it will say of them. */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { environmentError, inputError } from "../base/errors.ts";
import { chooseDType } from "../setup/cpu.mjs";
import { locateAddon } from "../setup/locate.mjs";
import { packageRoot } from "../setup/paths.mjs";
import {
  cudaAnswers,
  manualSeed,
  setMemoryLimit,
  setThreads,
  useDevice,
  type Device,
} from "../torch/index.ts";

export type SessionOptions = {
  readonly seed: number;
  readonly device: string;
  readonly dtype: string;
  readonly threads: number | undefined;
  readonly memory: number | undefined;
};

export type Session = {
  readonly device: Device;
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
  const where = deviceFor(device);
  if (where === "cuda" && memory !== undefined) {
    throw inputError("--memory: expected a run on the CPU, whose tensors it counts, got cuda", {
      wayOut: "leave it out, or use --device cpu",
    });
  }
  useDevice(where);
  const chosen = chooseDType(dtype as "auto" | "float32" | "bfloat16", { device: where });
  const count = threads ?? availableParallelism();
  setThreads(count);
  setMemoryLimit(memory ?? 0);
  manualSeed(seed);
  return {
    device: where,
    dtype: chosen.dtype,
    dtypeReason: chosen.reason,
    threads: count,
    versions: { unrecite: toolVersion(), node: process.version, libtorch: libtorch.version },
  };
}

/** Under auto the GPU when one answers. */
function deviceFor(asked: string): Device {
  if (asked === "cpu") return "cpu";
  const { answers, why } = cudaAnswers();
  if (answers) return "cuda";
  if (asked === "auto") return "cpu";
  throw environmentError(
    `--device cuda: expected a LibTorch with CUDA and a GPU, got none: ${why}`,
    {
      wayOut:
        "use --device cpu, or install a torch with CUDA for the python3 on the PATH and run: npm run setup",
    },
  );
}

/** Highest resident set of this process so far, bytes. */
export const peakRss = (): number => process.resourceUsage().maxRSS * 1024;
