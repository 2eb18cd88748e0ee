/** @file Runs the quickstart and holds its figures to their bars. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { environmentError } from "../src/base/errors.ts";
import type { Row } from "./types.ts";

type Summary = {
  known: number;
  recited: number;
  cost: number;
  stillRecited: number;
  accuracy: [number, number];
  nll: [number, number];
  perplexity: number;
  keptAccuracy: number;
  keptRecited: number;
  patchShare: number;
  reverted: boolean;
  minutes: number;
};

export function quickstart(): Row[] {
  const { status } = spawnSync(process.execPath, ["scripts/quickstart.mjs"], {
    stdio: ["ignore", 2, 2],
  });
  if (status !== 0) {
    throw environmentError(`quickstart: expected exit code 0, got ${status}`, {
      wayOut: "run npm run quickstart and read what it prints",
    });
  }
  const s = JSON.parse(readFileSync("runs/quickstart/summary.json", "utf8")) as Summary;
  const row = (name: string, value: number, unit: string, bar: string, pass: boolean): Row => ({
    name: `quickstart ${name}`,
    value,
    unit,
    peer: null,
    ratio: null,
    bound: null,
    bar,
    pass,
  });
  const most = (name: string, value: number, unit: string, bar: number) =>
    row(name, value, unit, `value <= ${Number(bar.toFixed(3))}`, value <= bar);
  const least = (name: string, value: number, unit: string, bar: number) =>
    row(name, value, unit, `value >= ${Number(bar.toFixed(3))}`, value >= bar);
  return [
    most("known before", s.known, "accuracy", 0.6),
    least("memorised", s.recited, "share recited", 0.95),
    most("memorised perplexity", s.cost, "x original", 1.1),
    most("recited", s.stillRecited, "share of forget", 0),
    most("accuracy", s.accuracy[0], "forget", s.accuracy[1] + 0.02),
    least("nll", s.nll[0], "nats/token, forget", 0.95 * s.nll[1]),
    most("perplexity", s.perplexity, "x memorised", 1.01),
    least("kept accuracy", s.keptAccuracy, "x before", 0.97),
    least("kept recited", s.keptRecited, "x before", 0.85),
    most("patch", s.patchShare, "share of the model", 0.15),
    row("reverted", Number(s.reverted), "bit for bit", "value = 1", s.reverted),
    most("time", s.minutes, "min", 15),
  ];
}
