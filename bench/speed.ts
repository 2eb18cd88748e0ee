/** @file Training step and scoring against transformers on the same model, alternately in one run; 2 threads, float32. */
import { loadModel, toBatch, type Model } from "../src/models/index.ts";
import { tokenStats } from "../src/eval/index.ts";
import { setThreads, tidy } from "../src/torch/index.ts";
import { nll } from "../src/unlearn/losses/index.ts";
import { optimiser } from "../src/unlearn/optimiser.ts";
import { eligibleParameters } from "../src/unlearn/scope.ts";
import { trainStep } from "../src/unlearn/step.ts";
import { denseWriter } from "../src/unlearn/writers/weights.ts";
import { runAlone } from "./alone.ts";
import { peer } from "./peer.ts";
import type { Row } from "./types.ts";

/** Each side in turn, the fastest of each counts: a busy machine only ever adds time. */
const ROUNDS = 2;
const least = (seconds: readonly number[]) => Math.min(...seconds);

const rows = (batch: number, tokens: number) =>
  Array.from({ length: batch }, (_, b) =>
    Array.from({ length: tokens }, (_, t) => (b * 977 + t * 131) % 40000),
  );

type Taken = { seconds: number; rss: number };

/** Five steps of dense AdamW on all parameters, 16 x 100 tokens; run in a process of its own, so that its memory is its own. */
export async function ownTrainStep(directory: string): Promise<Taken> {
  setThreads(2);
  const model = await loadModel(directory);
  const eligible = eligibleParameters(model.arch, "all");
  const writer = denseWriter(model.arch, model.params, eligible);
  const adam = optimiser();
  const ids = rows(16, 100);
  const index = ids.flatMap((r, b) => r.slice(1).map((_, t) => b * 100 + t));
  const targets = ids.flatMap((r) => r.slice(1));
  const times: number[] = [];
  for (let i = 0; i < 5; i++) {
    const start = performance.now();
    tidy(() =>
      trainStep(
        model.arch,
        writer,
        adam,
        {
          batch: toBatch(ids),
          rows: { index, targets, weights: targets.map(() => 1 / targets.length) },
          sequence: [],
        },
        () => nll,
        { lr: 1e-5 },
      ),
    );
    times.push((performance.now() - start) / 1000);
  }
  return { seconds: least(times.slice(1)), rss: process.resourceUsage().maxRSS * 1024 };
}

export function trainStepRow(directory: string): Row[] {
  const ours: Taken[] = [];
  const theirs: Taken[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    ours.push(runAlone<Taken>("train-step", directory));
    theirs.push(peer<Taken>(directory, "train-step"));
  }
  const value = least(ours.map((t) => t.seconds));
  const other = least(theirs.map((t) => t.seconds));
  const ratio = other / value;
  const rss = Math.max(...ours.map((t) => t.rss));
  const otherRss = Math.max(...theirs.map((t) => t.rss));
  const memory = rss / otherRss;
  return [
    {
      name: "train-step",
      value,
      unit: "s",
      peer: { name: "transformers", value: other },
      ratio,
      bound: null,
      bar: "ratio >= 1.25",
      pass: ratio >= 1.25,
    },
    {
      name: "train-step memory",
      value: rss / 1e9,
      unit: "GB",
      peer: { name: "transformers", value: otherRss / 1e9 },
      ratio: memory,
      bound: null,
      bar: "ratio <= 0.75",
      pass: memory <= 0.75,
    },
  ];
}

export async function scoreRow(directory: string): Promise<Row[]> {
  setThreads(2);
  const model: Model = await loadModel(directory);
  const windows = rows(64, 100).map((ids, text) => ({
    text,
    ids,
    suffixStart: 50,
    scored: ids.slice(50).map((_, i) => 50 + i),
  }));
  const round = async () => {
    const start = performance.now();
    await tokenStats(model.arch, model.weights, windows, { spread: false });
    return (performance.now() - start) / 1000;
  };
  await round();
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    ours.push(await round(), await round());
    theirs.push(peer<{ seconds: number }>(directory, "score").seconds);
  }
  model.dispose();
  const value = least(ours);
  const other = least(theirs);
  const ratio = other / value;
  return [
    {
      name: "score",
      value: value / 64,
      unit: "s/text",
      peer: { name: "transformers", value: other / 64 },
      ratio,
      bound: null,
      bar: "ratio >= 1.5",
      pass: ratio >= 1.5,
    },
  ];
}
