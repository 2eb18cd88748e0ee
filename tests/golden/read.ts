/** @file Reads a golden file: a small safetensors with its metadata, without the checks that user files get. */
import { readFileSync } from "node:fs";
import {
  DTYPES,
  fromBytes,
  keep,
  tidy,
  toDevice,
  type DType,
  type Tensor,
} from "../../src/torch/index.ts";

type Entry = { dtype: string; shape: number[]; data_offsets: [number, number] };

export function readGolden(name: string): {
  tensors: Map<string, Tensor>;
  metadata: Record<string, string>;
} {
  const file = readFileSync(new URL(`data/${name}.safetensors`, import.meta.url));
  const size = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.subarray(8, 8 + size).toString()) as Record<string, Entry>;
  const { __metadata__: metadata, ...entries } = header;
  const dtypes = new Map(
    Object.entries(DTYPES).map(([dtype, d]) => [d.safetensors as string, dtype as DType]),
  );
  const tensors = new Map<string, Tensor>();
  for (const [key, { dtype, shape, data_offsets }] of Object.entries(entries)) {
    const bytes = file.subarray(8 + size + data_offsets[0], 8 + size + data_offsets[1]);
    tensors.set(
      key,
      tidy(() => keep(toDevice(fromBytes(bytes, shape, dtypes.get(dtype)!)))),
    );
  }
  return { tensors, metadata: (metadata ?? {}) as unknown as Record<string, string> };
}
