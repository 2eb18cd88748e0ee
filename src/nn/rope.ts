/**
 * @file Rotary position embedding (Su et al. 2021) in the layout of Hugging Face checkpoints: a head's first half is
 * rotated against its second half. Llama-3 scaling stretches the slow frequencies (Llama 3 report, section 3).
 */
import {
  add,
  cat,
  cos,
  mul,
  narrow,
  neg,
  outer,
  sin,
  tensor,
  toCopy,
  unsqueeze,
  type DType,
  type Tensor,
} from "../torch/index.ts";

export type RopeScaling =
  | { type: "none" }
  | { type: "linear"; factor: number }
  | {
      type: "llama3";
      factor: number;
      lowFrequency: number;
      highFrequency: number;
      originalPositions: number;
    };

/** Frequencies per pair of a head's channels, length headDim / 2. */
export function ropeFrequencies(headDim: number, theta: number, scaling: RopeScaling): number[] {
  const plain = Array.from({ length: headDim / 2 }, (_, i) =>
    Math.fround(1 / theta ** ((2 * i) / headDim)),
  );
  switch (scaling.type) {
    case "none":
      return plain;
    case "linear":
      return plain.map((f) => f / scaling.factor);
    case "llama3":
      return plain.map((f) => llama3(f, scaling));
  }
}

function llama3(frequency: number, s: RopeScaling & { type: "llama3" }): number {
  const wavelength = (2 * Math.PI) / frequency;
  if (wavelength < s.originalPositions / s.highFrequency) return frequency;
  if (wavelength > s.originalPositions / s.lowFrequency) return frequency / s.factor;
  const smooth =
    (s.originalPositions / wavelength - s.lowFrequency) / (s.highFrequency - s.lowFrequency);
  return (1 - smooth) * (frequency / s.factor) + smooth * frequency;
}

/** cos and sin tables, each (T, headDim), or (B, 1, T, headDim) for positions per row. */
export type Rotation = { cos: Tensor; sin: Tensor };

/** Rotation tables for positions (T) or (B, T), made in float32 and rounded once to `dtype`. */
export function rotation(
  positions: readonly number[] | readonly (readonly number[])[],
  frequencies: readonly number[],
  dtype: DType,
): Rotation {
  const rows = Array.isArray(positions[0])
    ? (positions as number[][]).map((p) => angles(p, frequencies))
    : undefined;
  const table =
    rows === undefined
      ? angles(positions as number[], frequencies)
      : unsqueeze(cat(rows.map((r) => unsqueeze(r, 0))), 1);
  return { cos: toCopy(cos(table), { dtype }), sin: toCopy(sin(table), { dtype }) };
}

function angles(positions: readonly number[], frequencies: readonly number[]): Tensor {
  const half = outer(tensor(positions), tensor(frequencies)); // (T, d/2)
  return cat([half, half], { dim: -1 }); // (T, d)
}

/** Rotates x (B, H, T, d). */
export function rotate(x: Tensor, r: Rotation): Tensor {
  const half = x.shape[3]! / 2;
  const turned = cat([neg(narrow(x, 3, half, half)), narrow(x, 3, 0, half)], { dim: -1 });
  return add(mul(x, r.cos), mul(turned, r.sin));
}
