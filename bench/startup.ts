/** @file `unrecite ls models` against `node -e 0`: seconds, alternately. */
import { spawnSync } from "node:child_process";
import { median, type Row } from "./types.ts";

const seconds = (...args: string[]): number => {
  const start = performance.now();
  const { status } = spawnSync(process.execPath, args);
  if (status !== 0) {
    throw new Error(`startup: expected exit 0 of node ${args.join(" ")}, got ${status}`);
  }
  return (performance.now() - start) / 1000;
};

export function startup(): Row[] {
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let i = 0; i < 11; i++) {
    ours.push(seconds("dist/cli/main.js", "ls", "models"));
    theirs.push(seconds("-e", "0"));
  }
  const [value, peer] = [median(ours), median(theirs)];
  const ratio = value / peer;
  return [
    {
      name: "startup",
      value,
      unit: "s",
      peer: { name: "node -e 0", value: peer },
      ratio,
      bound: null,
      bar: "ratio <= 3",
      pass: ratio <= 3,
    },
  ];
}
