/**
 * @file Where a process computes: factories and `tensor` make there, models are loaded there. What is read from files
 * (`fromBytes`, mapped tensors) stays on the host until `toDevice` moves it.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "../base/errors.ts";
import { locateAddon } from "../setup/locate.mjs";
import { native } from "./native.ts";

export type Device = "cpu" | "cuda";

let current: Device = "cpu";
let cuda: { answers: boolean; why: string } | undefined;

/** The device of what is made from now on. */
export const computeDevice = (): Device => current;

/**
 * Loads LibTorch's CUDA half, once, and tells whether a GPU answers, else why not. To be asked before anything else is: LibTorch
 * looks for CUDA on first use and keeps the answer.
 */
export function cudaAnswers(): { answers: boolean; why: string } {
  return (cuda ??= lookForCuda());
}

function lookForCuda(): { answers: boolean; why: string } {
  const { libtorch } = locateAddon();
  if (!libtorch.cuda) return { answers: false, why: `LibTorch ${libtorch.version} is for the CPU` };
  if (!existsSync("/dev/nvidiactl")) return { answers: false, why: "no NVIDIA device is here" };
  process.env["CUBLAS_WORKSPACE_CONFIG"] ??= ":4096:8"; // else cuBLAS may sum in another order, run after run
  try {
    const answers = native().loadLibrary(join(libtorch.dir, "lib", "libtorch_cuda.so"));
    return { answers, why: answers ? "" : "the driver answers with no device" };
  } catch (error) {
    return { answers: false, why: messageOf(error) };
  }
}

/** Makes everything from now on there. Throws when it is CUDA and none answers. */
export function useDevice(device: Device): void {
  if (device === "cuda") {
    const { answers, why } = cudaAnswers();
    if (!answers) throw new Error(`useDevice: expected a GPU for cuda, got none: ${why}`);
  }
  current = device;
}
