/** @file One small operator from TypeScript through the typed face, in a scope: microseconds. */
import { add, tensor, tidy } from "../src/torch/index.ts";
import { median, type Row } from "./types.ts";

export function opOverhead(): Row[] {
  const a = tensor([1, 2, 3, 4], { shape: [2, 2] });
  const round = () => {
    const [outer, inner] = [500, 100];
    const start = performance.now();
    for (let i = 0; i < outer; i++) {
      tidy(() => {
        for (let k = 0; k < inner; k++) add(a, a);
      });
    }
    return ((performance.now() - start) * 1000) / (outer * inner);
  };
  round();
  const value = median([round(), round(), round(), round(), round()]);
  a.dispose();
  return [
    {
      name: "op-overhead",
      value,
      unit: "us",
      peer: null,
      ratio: null,
      bound: 2,
      bar: "value <= 2",
      pass: value <= 2,
    },
  ];
}
