/**
 * @file Loads the addon, once, on first use; the only file that knows it is an addon. Commands that need no tensor never
 * pay for LibTorch. Numbers here are raw handles: everything above speaks Tensor.
 */
import { createRequire } from "node:module";
import { environmentError, messageOf } from "../base/errors.ts";
import { locateAddon } from "../setup/locate.mjs";

type Handle = number;

/** The addon's exports; see native/*.cc for each. Errors carry `code`: ARG, HANDLE, TORCH, OOM or MAPPED. */
export type Native = {
  open(name: string): number;
  schema(name: string): string | null;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- what comes back is known by the operator's schema
  call(op: number, ...args: unknown[]): any;
  onWarning(hook: (where: string, message: string) => void): void;
  setThreads(count: number): void;
  getThreads(): number;
  manualSeed(seed: number): void;
  cpuCapability(): string;
  loadLibrary(path: string): boolean;
  free(...handles: Handle[]): void;
  freeMany(handles: Handle[]): void;
  shape(handle: Handle): number[];
  dtype(handle: Handle): string;
  device(handle: Handle): string;
  live(handle: Handle): boolean;
  fromBytes(bytes: Uint8Array, shape: readonly number[], dtype: string): Handle;
  readInto(handle: Handle, bytes: Uint8Array): void;
  memory(): [number, number, number, number, number];
  memoryLimit(bytes: number): void;
  memoryResetPeak(): void;
  memoryRelease(): void;
  grad(
    outputs: Handle[],
    inputs: Handle[],
    gradOutputs: (Handle | null)[] | null,
    retain: boolean,
  ): (Handle | null)[];
  backward(outputs: Handle[], gradOutputs: (Handle | null)[] | null, retain: boolean): void;
  gradOf(handle: Handle): Handle | null;
  clearGrad(handle: Handle): void;
  requireGrad(handle: Handle, flag: boolean): void;
  setGradMode(flag: boolean): boolean;
  pushInference(): void;
  popInference(): void;
  mapFile(path: string): [id: number, bytes: number];
  mapTensor(mapping: number, offset: number, shape: readonly number[], dtype: string): Handle;
  dropPages(handle: Handle): void;
  unmapFile(mapping: number): void;
};

let loaded: Native | undefined;

/** The addon; loading it takes about half a second, once. */
export function native(): Native {
  return (loaded ??= load());
}

/** Whether LibTorch is in this process already. */
export const isLoaded = (): boolean => loaded !== undefined;

function load(): Native {
  const { path, libtorch } = locateAddon();
  // Read by the thread pools when they start: fixed teams give equal sums, and equal patches, run after run.
  process.env["MKL_DYNAMIC"] ??= "FALSE";
  process.env["OMP_DYNAMIC"] ??= "FALSE";
  // A thread that waits for its team spins this often before it sleeps (some .05 ms; by default it is 30 times that): where other
  // processes want the cores, a spinning thread keeps them from the one it waits for.
  if (process.env["OMP_WAIT_POLICY"] === undefined) process.env["GOMP_SPINCOUNT"] ??= "10000";
  try {
    const addon = createRequire(import.meta.url)(path) as Native;
    addon.onWarning((where, message) =>
      process.emitWarning(`${where}: ${message}`, "TorchWarning"),
    );
    return addon;
  } catch (error) {
    throw environmentError(
      `addon: expected ${path} to load with LibTorch ${libtorch.version}, got ${messageOf(error)}`,
      {
        wayOut: "run: npm run setup (it rebuilds what does not fit)",
        cause: error,
      },
    );
  }
}
