/** @file What every selector must do, on a tiny model: take the share asked for, by its formula, the same each time, and leave nothing. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assertClose } from "../../../tests/close.ts";
import { sentences, temporary, tinyModel } from "../../../tests/tiny.ts";
import { windowsOf } from "../../eval/index.ts";
import { loadModel, type Model } from "../../models/index.ts";
import { disposeAll, memory, tensor, tidy, type Tensor } from "../../torch/index.ts";
import { LOSSES, LOSS_DEFAULTS } from "../losses/index.ts";
import { selfProjection } from "../projection.ts";
import { eligibleParameters } from "../scope.ts";
import { SELECTORS } from "./index.ts";
import * as gradients from "./scored.ts";
import type { SelectInput } from "./types.ts";

const FRACTION = 0.05;
let model: Model;
let input: SelectInput;

before(async () => {
  model = await loadModel(await tinyModel(temporary()));
  const encode = (text: string) => model.tokenizer.encode(text, { addSpecial: false });
  const rows = sentences("select", 6, 24).map((text) => encode(text));
  const windows = rows.flatMap((ids, text) => windowsOf({ ids }, { text, prefix: 8, suffix: 16 }));
  const own = sentences("own", 8, 24).map((text) => encode(text));
  input = {
    arch: model.arch,
    params: model.params,
    weights: model.weights,
    windows,
    tokens: windows.map((w) => w.ids.slice(1).map((_, i) => i + 1)),
    eligible: eligibleParameters(model.arch, "linear"),
    lossOf: () => () => LOSSES.em.of(undefined as never, LOSS_DEFAULTS),
    selfTexts: () => Promise.resolve(own),
    ordinary: () => Promise.resolve(own),
    fraction: FRACTION,
    per: "global",
    rank: 8,
    ridge: 0.01,
    groups: 1,
    seed: 0,
  };
});
after(() => model.dispose());

type Scores = readonly ArrayLike<number>[];
type Written = { of: gradients.Gradients[]; score: (g: Scores, i: number, w: number) => number };
const [a, b] = [gradients.entropyGradient, gradients.likelihoodGradient];

const means = new WeakMap<object, number>();
function meanOf(values: ArrayLike<number>): number {
  const known = means.get(values);
  if (known !== undefined) return known;
  const mean = Array.from(values).reduce((x, y) => x + y, 0) / values.length;
  means.set(values, mean);
  return mean;
}

/** Each score as its docstring writes it, on plain numbers. */
const WRITTEN: Record<string, Written> = {
  contrastive: { of: [a, b], score: ([a, b], i) => -a![i]! * b![i]! },
  anti_aligned: { of: [a, b], score: ([a, b], i) => a![i]! * b![i]! },
  magnitude: { of: [a], score: ([a], i) => Math.abs(a![i]!) },
  salun: { of: [b], score: ([b], i) => Math.abs(b![i]!) },
  sign_gated: {
    of: [a, b],
    score: ([a, b], i) => (Math.fround(a![i]! * b![i]!) < 0 ? Math.abs(a![i]!) : 0),
  },
  difference: { of: [a, b], score: ([a, b], i) => Math.abs(a![i]! - b![i]!) },
  ratio: { of: [a, b], score: ([a, b], i) => Math.abs(a![i]!) / (Math.abs(b![i]!) + 1e-12) },
  wagle: {
    of: [b, gradients.selfGradient],
    score: ([f, r], i, w) => Math.abs((w - r![i]! / 1e-6) * f![i]!),
  },
  downstream_importance: {
    of: [gradients.forgetImportance, gradients.selfImportance],
    score: ([f, s], i) => f![i]! / (s![i]! + 1e-20),
  },
  contrastive_self: {
    of: [a, b, gradients.selfImportance],
    score: ([a, b, f], i) => (-a![i]! * b![i]!) / (f![i]! + meanOf(f!) + 1e-20),
  },
  contrastive_recited: {
    of: [gradients.entropyGradientOnRecited, gradients.likelihoodGradientOnRecited],
    score: ([a, b], i) => -a![i]! * b![i]!,
  },
  contrastive_odds: {
    of: [gradients.erasingGradientOnRecited, gradients.oddsGradientOnRecited],
    score: ([a, b], i) => -a![i]! * b![i]!,
  },
};

const names = Object.keys(SELECTORS);
const chosenBy = async (name: string) => {
  const selector = SELECTORS[name as keyof typeof SELECTORS];
  assert.equal(selector.kind, "weights");
  const found = await (selector.kind === "weights" ? selector.select(input) : assert.fail());
  const plain = new Map(
    [...found].map(([n, index]) => [n, index === null ? null : [...index.toInts()]]),
  );
  disposeAll(found);
  return plain;
};

for (const name of names.filter((n) => !n.startsWith("directions"))) {
  test(`${name}: the share asked for, the same each time, no tensor left`, async () => {
    const live = memory().liveTensors;
    const first = await chosenBy(name);
    assert.deepEqual(await chosenBy(name), first);
    assert.equal(memory().liveTensors, live);
    const sizes = new Map(input.eligible.map((e) => [e.name, input.params.get(e.name)!.size]));
    const total = [...sizes.values()].reduce((x, y) => x + y, 0);
    const count = [...first].reduce((n, [p, index]) => n + (index?.length ?? sizes.get(p)!), 0);
    if (name === "dense") assert.equal(count, total);
    else if (name === "memflex") assert.ok(count >= FRACTION * total, "whole tensors");
    else assert.equal(count, Math.round(FRACTION * total));
  });
}

for (const [name, { of, score }] of Object.entries(WRITTEN)) {
  test(`${name}: takes the weights with the largest score, as its formula is written`, async () => {
    const chosen = await chosenBy(name);
    const made: Map<string, Tensor>[] = [];
    for (const source of of) made.push(await source(input));
    const scores = input.eligible.flatMap(({ name: p }) => {
      const parts = made.map((m) => m.get(p)!.toFloats());
      const weight = input.params.get(p)!.toFloats();
      const taken = new Set(chosen.get(p));
      return Array.from(weight, (w, i) => ({ score: score(parts, i, w), taken: taken.has(i) }));
    });
    disposeAll(made);
    // float32 rounds scores: weights at the threshold may change places, others may not
    const least = Math.min(...scores.filter((s) => s.taken).map((s) => s.score));
    const most = Math.max(...scores.filter((s) => !s.taken).map((s) => s.score));
    assert.ok(scores.some((s) => s.taken) && Number.isFinite(least), name);
    assert.ok(most <= least + 1e-4 * Math.abs(least), `${most} left out, ${least} taken`);
  });
}

const STOPPED: Record<string, (given: SelectInput) => Promise<unknown>> = {
  directions: (given) => Promise.resolve(SELECTORS.directions.select(given)),
  "directions-gradient": (given) => Promise.resolve(SELECTORS["directions-gradient"].select(given)),
  projection: async ({ arch, weights, ridge, signal, selfTexts, onProgress }) =>
    selfProjection(arch, weights, await selfTexts(), {
      ridge,
      signal,
      onBlock: (done, total) => onProgress?.("projection", done, total),
    }),
};
for (const [name, run] of Object.entries(STOPPED)) {
  test(`${name}: asked to stop behind the first block, no tensor is left`, async () => {
    const live = memory().liveTensors;
    const stop = new AbortController();
    const onProgress = (phase: string) => (name.startsWith(phase) ? stop.abort() : undefined);
    const given = { ...input, signal: stop.signal, onProgress };
    await assert.rejects(run(given), { name: "AbortError" });
    assert.equal(memory().liveTensors, live);
  });
}

test("sure takes whole rows, but for the last", async () => {
  const chosen = await chosenBy("sure");
  let partial = 0;
  for (const { name } of input.eligible) {
    const width = input.params.get(name)!.shape[1]!;
    const perRow = new Map<number, number>();
    for (const i of chosen.get(name) ?? []) {
      perRow.set(Math.floor(i / width), (perRow.get(Math.floor(i / width)) ?? 0) + 1);
    }
    partial += [...perRow.values()].filter((n) => n !== width).length;
  }
  assert.ok(partial <= 1, `${partial} rows taken in part`);
});

test("the odds loss where the model is certain: its gradient does not vanish", () => {
  tidy(() => {
    // L = -(z_y - ln Σ_{v≠y} e^{z_v}): dL/dz_y = -1 however large z_y is, the others share +1 by softmax
    const chunk = { from: 0, count: 1, targets: tensor([0], { shape: [1, 1], dtype: "int64" }) };
    const { loss, gradLogits } = gradients.odds(tensor([9, 0, 0], { shape: [1, 3] }), chunk);
    assertClose(loss.toFloats(), [-(9 - Math.LN2)], { rtol: 1e-4 });
    assertClose(gradLogits.toFloats(), [-1, 0.5, 0.5], { rtol: 1e-3 });
  });
});
