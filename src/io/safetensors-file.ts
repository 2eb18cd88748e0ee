/** @file One safetensors file, mapped: its tensors and its metadata. */
import { mapFile, type Tensor } from "../torch/index.ts";
import { readHeader } from "./safetensors.ts";

export type SafetensorsFile = {
  readonly names: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  /** A view of the mapped file; the caller's scope owns it. */
  tensor(name: string): Tensor;
  close(): void;
};

export async function openCheckpointFile(path: string): Promise<SafetensorsFile> {
  const { tensors, metadata } = await readHeader(path);
  const map = mapFile(path);
  return {
    names: [...tensors.keys()],
    metadata,
    tensor(name) {
      const info = tensors.get(name)!;
      return map.tensor(info.begin, info.shape, info.dtype);
    },
    close: () => map.close(),
  };
}
