/** @file memorize: what several doses of --repeats do (what is shown more often is known better), and what it leaves out. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { resolveFlags } from "../src/base/flags.ts";
import { memorizeResult } from "../src/eval/results.ts";
import { audit, memorize } from "../src/index.ts";
import { memory } from "../src/torch/index.ts";
import { MEMORIZE } from "../src/verbs/flags.ts";
import { sentences, temporary, textsFile, tinyModel } from "./tiny.ts";

const CUT = { prefixTokens: 12, suffixTokens: 12 };
const folder = temporary();
const at = (name: string) => join(folder, name);
const texts = textsFile(folder, "texts", sentences("dose", 9, 24));
const general = textsFile(folder, "general", sentences("general", 24, 24));
let model = "";
before(async () => {
  mkdirSync(at("base"));
  model = await tinyModel(at("base"));
});

test("the largest dose is recited at the end, the smaller ones less, in groups of the same size", async () => {
  const live = memory().liveTensors;
  const recitedAt: number[] = [];
  const result = await memorize(
    { model, texts, general, out: at("doses"), repeats: [1, 3, 9], lr: 4e-3, epochs: 60, ...CUT },
    { onEvent: (e) => e.type === "epoch" && recitedAt.push(e.recited) },
  );
  memorizeResult.parse(result);
  const doses = result.doses!;
  assert.deepEqual(
    doses.map((d) => [d.repeats, d.texts]),
    [
      [1, 3],
      [3, 3],
      [9, 3],
    ],
  );
  assert.equal(doses[2]!.recited, 3);
  assert.deepEqual(recitedAt.slice(-2), [1, 1]); // of the largest dose alone
  assert.ok(result.epochs < 60 && result.recited < 9, `${result.recited} after ${result.epochs}`);
  assert.ok(doses[0]!.suffix_nll > doses[2]!.suffix_nll, "once against nine times");
  assert.equal(
    doses.reduce((n, d) => n + d.recited, 0),
    (await audit({ model: at("doses"), texts, ...CUT })).recited,
  );
  assert.equal(memory().liveTensors, live);
});

test("one number is what it was: shown so often, all texts, no doses in the result", async () => {
  const shown: number[] = [];
  const result = await memorize(
    { model, texts, general, out: at("one"), repeats: [2], lr: 1e-3, epochs: 1, batch: 3, ...CUT },
    { onEvent: (e) => e.type === "step" && shown.push(e.batches) },
  );
  assert.equal(result.doses, undefined);
  assert.deepEqual(shown, new Array(6).fill(6)); // 9 texts twice, in batches of 3
});

test("what lies beside the model and does not go along is named", async () => {
  mkdirSync(at("beside"));
  const beside = await tinyModel(at("beside"));
  writeFileSync(join(beside, "notes.txt"), "mine");
  const said: string[] = [];
  const options = { texts, general, epochs: 1, ...CUT };
  for (const [from, out] of [
    [beside, at("beside-out")],
    [model, at("plain-out")],
  ] as const) {
    await memorize(
      { ...options, model: from, out },
      { onEvent: (e) => e.type === "warning" && said.push(e.message) },
    );
    assert.equal(existsSync(join(out, "notes.txt")), false);
  }
  assert.deepEqual(said, ["--out: left out, as no part of the model: notes.txt"]);
});

test("--repeats takes one integer or several, from 1 on", () => {
  const rest = { model: "m", texts: "t", out: "o" };
  const of = (repeats: unknown) => resolveFlags(MEMORIZE, { ...rest, repeats }).values.repeats;
  assert.deepEqual([of("1,2, 8"), of("4"), of(4), of([1, 2])], [[1, 2, 8], [4], [4], [1, 2]]);
  assert.deepEqual(resolveFlags(MEMORIZE, rest).values.repeats, [1]);
  for (const bad of ["0,2", "1,x", "", "1.5", []]) {
    assert.throws(() => of(bad), /--repeats: expected integers, at least 1 and at most 1000/);
  }
});
