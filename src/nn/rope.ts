/**
 * @file Rotary position embedding (Su et al. 2021) in the layout of Hugging Face checkpoints: a head's first half is
 * rotated against its second half. Llama-3 scaling stretches the slow frequencies (Llama 3 report, section 3).
 */
import {
  addcmul,
  cat,
  flip,
  cos,
  mul,
  neg,
  outer,
  sin,
  tensor,
  toCopy,
  unsqueeze,
  view,
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

/**
 * cos and sin tables, each (T, 1, headDim), or (B, T, 1, headDim) for positions per row; the sine of the first half is negated,
 * so that a rotation is x · cos + (x with its halves exchanged) · sin.
 */
export type Rotation = { cos: Tensor; sin: Tensor };

/** Rotation tables for positions (T) or (B, T), made in float32 and rounded once to `dtype`. */
export function rotation(
  positions: readonly number[] | readonly (readonly number[])[],
  frequencies: readonly number[],
  dtype: DType,
): Rotation {
  const rows = Array.isArray(positions[0]) ? (positions as number[][]) : undefined;
  const half =
    rows === undefined
      ? angles(positions as number[], frequencies)
      : cat(rows.map((r) => unsqueeze(angles(r, frequencies), 0))); // (T, 1, d/2) or (B, T, 1, d/2)
  const table = (first: Tensor, second: Tensor) =>
    toCopy(cat([first, second], { dim: -1 }), { dtype });
  const [c, s] = [cos(half), sin(half)];
  return { cos: table(c, c), sin: table(neg(s), s) };
}

function angles(positions: readonly number[], frequencies: readonly number[]): Tensor {
  return unsqueeze(outer(tensor(positions), tensor(frequencies)), 1); // (T, 1, d/2)
}

/** Rotates x (B, T, H, d): both halves in one pass each, in memory order. */
export function rotate(x: Tensor, r: Rotation): Tensor {
  const half = x.shape[3]! / 2;
  const exchanged = view(flip(view(x, [...x.shape.slice(0, 3), 2, half]), [-2]), x.shape);
  return addcmul(mul(x, r.cos), exchanged, r.sin);
}
