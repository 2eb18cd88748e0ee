/** @file A row of the benchmark (SPEC.md section 9). */
export type Row = {
  name: string;
  value: number;
  unit: string;
  peer: { name: string; value: number } | null;
  ratio: number | null;
  bound: number | null;
  bar: string;
  pass: boolean;
};

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
};
