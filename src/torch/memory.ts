/** @file Counters of tensors and bytes, the --memory ceiling, mapped files, threads, seeds. */
import type { DType } from "./dtype.ts";
import { native } from "./native.ts";
import { made, type Tensor } from "./tensor.ts";

/** Bytes are those asked for; `cachedBytes` are freed blocks kept for reuse. Mapped files count as neither. */
export function memory(): {
  liveTensors: number;
  liveBytes: number;
  peakBytes: number;
  cachedBytes: number;
  limitBytes: number;
} {
  const [liveTensors, liveBytes, peakBytes, cachedBytes, limitBytes] = native().memory();
  return { liveTensors, liveBytes, peakBytes, cachedBytes, limitBytes };
}

/** Refuses allocations beyond this many bytes (error code OOM); 0 lifts the ceiling. */
export const setMemoryLimit = (bytes: number): void => native().memoryLimit(bytes);
export const resetPeak = (): void => native().memoryResetPeak();
/** Gives cached blocks back to the system. */
export const releaseCached = (): void => native().memoryRelease();
export const setThreads = (count: number): void => native().setThreads(count);
export const getThreads = (): number => native().getThreads();
/** Seeds LibTorch's CPU generator. */
export const manualSeed = (seed: number): void => native().manualSeed(seed);
export const cpuCapability = (): string => native().cpuCapability();

/** A file mapped read-only; its tensors keep the pages alive after close. */
export type MappedFile = {
  readonly path: string;
  readonly size: number;
  tensor(byteOffset: number, shape: readonly number[], dtype: DType): Tensor;
  close(): void;
};

/** Maps a file; if it shrinks while in use, the call that touches it throws (code MAPPED). */
export function mapFile(path: string): MappedFile {
  const [id, size] = native().mapFile(path);
  return {
    path,
    size,
    tensor: (byteOffset, shape, dtype) => made(native().mapTensor(id, byteOffset, shape, dtype)),
    close: () => native().unmapFile(id),
  };
}

/**
 * Lets the pages of a mapped tensor go; the next read brings them back from the file. Other tensors are left alone. Only for
 * tensors that nobody writes to: what was written would be lost.
 */
export const dropPages = (tensor: Tensor): void => native().dropPages(tensor.handle);
