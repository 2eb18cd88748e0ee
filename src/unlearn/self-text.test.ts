import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sentences, temporary, tinyModel } from "../../tests/tiny.ts";
import { loadModel, type Model } from "../models/index.ts";
import { memory } from "../torch/index.ts";
import { kindred, selfTexts } from "./self-text.ts";

let model: Model;
let texts: number[][];

before(async () => {
  model = await loadModel(await tinyModel(temporary()));
  texts = sentences("kindred", 5, 24).map((t) => model.tokenizer.encode(t, { addSpecial: false }));
});
after(() => model.dispose());

const runsOf = (ids: readonly number[], length: number): string[] =>
  Array.from({ length: Math.max(0, ids.length - length + 1) }, (_, i) =>
    ids.slice(i, i + length).join(" "),
  );

test("kindred: each text in turn lends two tokens that stand side by side in it, from all over it", async () => {
  const rows = await kindred(model.arch, model.weights, texts, { count: 70, length: 24, seed: 3 });
  assert.equal(rows.length, 70, "over a batch of prompts, nothing dropped: noise recites nothing");
  const places = rows.map((row, i) => {
    assert.equal(row.length, 24);
    return runsOf(texts[i % texts.length]!, 2).indexOf(row.slice(0, 2).join(" "));
  });
  assert.ok(places.every((at) => at >= 0));
  assert.ok(new Set(places).size > 10, "not their beginnings alone");
  const live = memory().liveTensors;
  const again = await kindred(model.arch, model.weights, texts, { count: 70, length: 24, seed: 3 });
  assert.deepEqual(again, rows, "the seed's rows");
  assert.equal(memory().liveTensors, live);
  const other = await kindred(model.arch, model.weights, texts, { count: 70, length: 24, seed: 4 });
  assert.notDeepEqual(other, rows);
  const first = await kindred(model.arch, model.weights, texts, { count: 64, length: 24, seed: 3 });
  assert.deepEqual(first, rows.slice(0, 64), "more are more of the same");
  assert.notDeepEqual(rows.slice(65).map(tail), rows.slice(0, 5).map(tail), "batches differ");
  assert.deepEqual(await kindred(model.arch, model.weights, texts, { count: 0, seed: 3 }), []);
});

const tail = (row: readonly number[]) => row.slice(2);

test("samples that share eight tokens in a row with a text are dropped, seven are let through", async () => {
  const { arch, weights } = model;
  const how = { count: 6, length: 24, seed: 1, start: 256, vocab: arch.vocab };
  const rows = await selfTexts(arch, weights, { ...how, avoid: [] });
  assert.equal(rows.length, 6);
  assert.deepEqual(
    rows.map((r) => r[0] === 256),
    [true, false, true, false, true, false],
  );
  const [first, , third] = rows as [number[], number[], number[]];
  const avoid = [first.slice(10, 17), third.slice(3, 11)];
  const left = await selfTexts(arch, weights, { ...how, avoid });
  assert.deepEqual(
    left,
    rows.filter((r) => r !== third),
  );
});
