import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sentences, temporary, tinyModel } from "../../tests/tiny.ts";
import { windowsOf, type Window } from "../eval/index.ts";
import { loadModel, type Model } from "../models/index.ts";
import { memory } from "../torch/index.ts";
import { kindred, selfTexts } from "./self-text.ts";

let model: Model;
let windows: Window[];

before(async () => {
  model = await loadModel(await tinyModel(temporary()));
  const encode = (text: string) => model.tokenizer.encode(text, { addSpecial: false });
  windows = sentences("kindred", 5, 24).flatMap((text, i) =>
    windowsOf({ ids: encode(text) }, { text: i, prefix: 8, suffix: 8 }),
  );
});
after(() => model.dispose());

const runsOf = (ids: readonly number[], length: number): string[] =>
  Array.from({ length: Math.max(0, ids.length - length + 1) }, (_, i) =>
    ids.slice(i, i + length).join(" "),
  );

test("kindred: each text lends two tokens that stand side by side in it, from all over it", async () => {
  assert.ok(windows.length > 5, "more windows than texts");
  const sample = (each: number, seed = 3, onRows?: (done: number, total: number) => void) =>
    kindred(model.arch, model.weights, windows, { each, length: 24, seed, onRows });
  const told: string[] = [];
  const one = new Set((await sample(1)).map((row) => row.slice(0, 2).join(" ")));
  const lent = new Set(
    windows
      .filter((w) => [...one].some((two) => runsOf(w.ids, 2).includes(two)))
      .map((w) => w.text),
  );
  assert.equal(lent.size, 5, "one sample a text: each text has one");
  const rows = await sample(14, 3, (done, total) => told.push(`${done}/${total}`));
  assert.deepEqual(told, ["64/70", "70/70"]);
  assert.equal(rows.length, 70, "14 a text, over a batch of prompts; noise recites nothing");
  const places = rows.map((row, i) => {
    assert.equal(row.length, 24);
    const own = windows.filter((w) => w.text === i % 5);
    const { ids } = own[Math.floor(i / 5) % own.length]!;
    return runsOf(ids, 2).indexOf(row.slice(0, 2).join(" "));
  });
  assert.ok(places.every((at) => at >= 0));
  assert.ok(new Set(places).size > 10, "not their beginnings alone");
  const live = memory().liveTensors;
  assert.deepEqual(await sample(14), rows, "the seed's rows");
  assert.equal(memory().liveTensors, live);
  assert.notDeepEqual(await sample(14, 4), rows);
  assert.deepEqual((await sample(13)).slice(0, 64), rows.slice(0, 64), "whole batches stay");
  const [first, second] = [rows.slice(0, 6), rows.slice(64)].map((part) => part.map(tail));
  assert.notDeepEqual(first, second, "batches differ");
  assert.deepEqual(await sample(0), []);
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
  await assert.rejects(selfTexts(arch, weights, { ...how, avoid: rows }), {
    message:
      /^own samples: expected text that is not of the set, got 6 samples that all share 8 tokens in a row with it\n.*another --seed/,
    exitCode: 2,
  });
});
