/** @file What an interrupted erasure needs to go on to the same patch, bit for bit: one file, written whole or not at all. */
import { dirname } from "node:path";
import { inputError, UnreciteError } from "../base/errors.ts";
import {
  openCheckpointFile,
  writeSafetensors,
  type SafetensorsEntry,
  type SafetensorsFile,
} from "../io/index.ts";
import { copy_, keep, noGrad, tidy, toDevice, clone, type Tensor } from "../torch/index.ts";
import type { Checkpointing, LoopState } from "./loop-types.ts";
import type { Optimiser } from "./optimiser.ts";
import type { Writer } from "./writers/types.ts";

/** Saves to `path`; with `settings`, so that a checkpoint is never continued under others. */
export function checkpointTo(path: string, every: number, settings: string): Checkpointing {
  return {
    every,
    save: (state, writer, optimiser, inside) => {
      const groups = { variable: writer.variables, moment: optimiser.state(), inside };
      const entries: SafetensorsEntry[] = Object.entries(groups).flatMap(([group, tensors]) =>
        [...tensors].map(([name, t]) => ({
          name: `${group}:${name}`,
          dtype: t.dtype,
          shape: t.shape,
          bytes: () => t.bytes(),
        })),
      );
      return writeSafetensors(path, entries, {
        metadata: { state: JSON.stringify(state), settings },
      });
    },
  };
}

/** Puts a saved checkpoint into a fresh writer and optimiser; undefined when it belongs to other settings. */
export async function resumeFrom(
  path: string,
  every: number,
  settings: string,
  writer: Writer,
  optimiser: Optimiser,
): Promise<Checkpointing | undefined> {
  const file = await openSaved(path);
  try {
    if (file.metadata["settings"] !== settings) return undefined;
    const moments = new Map<string, Tensor>();
    const inside = new Map<string, Tensor>();
    noGrad(() => {
      for (const entry of file.names) {
        tidy(() => {
          const at = entry.indexOf(":");
          const [group, name] = [entry.slice(0, at), entry.slice(at + 1)];
          const stored = file.tensor(entry);
          if (group === "variable") copy_(writer.variables.get(name)!, stored);
          else (group === "moment" ? moments : inside).set(name, keep(clone(toDevice(stored))));
        });
      }
    });
    writer.publish();
    optimiser.load(moments);
    for (const tensor of moments.values()) tensor.dispose();
    return {
      ...checkpointTo(path, every, settings),
      resumed: JSON.parse(file.metadata["state"]!) as LoopState,
      inside,
    };
  } finally {
    file.close();
  }
}

/** Nobody can fetch a damaged checkpoint again: the run can only begin anew. */
async function openSaved(path: string): Promise<SafetensorsFile> {
  try {
    return await openCheckpointFile(path);
  } catch (error) {
    if (!(error instanceof UnreciteError) || error.exitCode !== 2) throw error;
    const [what] = error.message.split("\n");
    throw inputError(what!, {
      wayOut: `delete ${dirname(path)} to start the run anew`,
      cause: error,
    });
  }
}
