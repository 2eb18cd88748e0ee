import assert from "node:assert/strict";
import { join } from "node:path";
import { before, test } from "node:test";
import { tokenStats } from "../../src/eval/index.ts";
import { loadModel } from "../../src/models/index.ts";
import { memory, tensor, tidy } from "../../src/torch/index.ts";
import { standingOf } from "../../src/unlearn/level.ts";
import { rounded } from "../../src/unlearn/rounding.ts";
import { METHOD_NAMES } from "../../src/verbs/flags.ts";
import { HELDOUT_CUT, readSet } from "../../src/verbs/sets.ts";
import { reciting } from "../../tests/reciting.ts";
import { sentences, temporary, textsFile } from "../../tests/tiny.ts";
import { divergence } from "./divergence.ts";
import { endOf, eraseEqually, settingsFor } from "./erasing.ts";
import { figuresOf } from "./figures.ts";
import { RECIPES, stageA, stageB } from "./recipes.ts";
import type { Cell } from "./store.ts";
import { nameOf } from "./sets.ts";
import { longestShared } from "./sampling.ts";

const folder = temporary();
const at = (name: string) => join(folder, name);
const CUT = { prefix: 12, suffix: 12 };
const [forgetTexts, keptTexts] = [sentences("forget", 4, 24), sentences("kept", 4, 24)];
const files = {
  forget: textsFile(folder, "forget", forgetTexts),
  kept: textsFile(folder, "kept", keptTexts),
  recited: textsFile(folder, "recited", [...forgetTexts, ...keptTexts]),
  unseen: textsFile(folder, "unseen", sentences("unseen", 4, 24)),
  heldout: textsFile(folder, "heldout", sentences("held", 6, 48)),
};

before(async () => {
  await reciting(folder, files.recited);
  await reciting(folder, files.kept, { out: "oracle" });
});

test("rounding to 3 levels a side: the largest of a group keeps its value, halves go away from zero", () => {
  tidy(() => {
    const weight = tensor([3, 1.4, -1.5, 0, 6, 0.9, -1, 5.1], { shape: [2, 4] });
    // 3 bits: levels -3 … 3; steps of 1 in the first row, of 2 in the second
    assert.deepEqual(
      [...rounded(weight, 3, { group: 4 }).toFloats()],
      [3, 1, -2, 0, 6, 0, -2, 6], // .9 / 2 = .45 → 0; -1 / 2 = -.5 → -1; 5.1 / 2 = 2.55 → 3
    );
  });
});

test("the longest run that two token lists share", () => {
  assert.equal(longestShared([1, 2, 3, 4], [9, 2, 3, 9, 3, 4]), 2);
  assert.equal(longestShared([5, 1, 2, 3], [1, 2, 3, 7]), 3);
  assert.equal(longestShared([1, 2], [3]), 0);
});

test("every recipe is one that erase takes, and has its own name", () => {
  for (const { name, flags } of RECIPES) {
    const settings = settingsFor({ flags, factor: 0.5 });
    assert.ok(settings.lr > 0 && settings.epochs >= 20, name);
  }
  assert.equal(new Set(RECIPES.map((r) => r.name)).size, RECIPES.length);
  assert.equal(stageA().length, RECIPES.length);
  const named = new Set(RECIPES.map((r) => r.name));
  const missing = METHOD_NAMES.filter((m) => !named.has(m));
  assert.deepEqual(missing, []);
});

/** Runs `fn` on target, original and the sets, and holds it to leaving no tensor. */
async function withModels(
  fn: (given: {
    model: Awaited<ReturnType<typeof loadModel>>;
    oracle: Awaited<ReturnType<typeof loadModel>>;
    sets: Record<"forget" | "kept" | "unseen" | "heldout", Awaited<ReturnType<typeof readSet>>>;
  }) => Promise<void>,
): Promise<void> {
  const live = memory().liveTensors;
  const [model, oracle] = [await loadModel(at("target")), await loadModel(at("oracle"))];
  try {
    const read = (name: keyof typeof files, cut = CUT) => readSet(name, files[name], model, cut);
    const sets = {
      forget: await read("forget"),
      kept: await read("kept"),
      unseen: await read("unseen"),
      heldout: await read("heldout", HELDOUT_CUT),
    };
    await fn({ model, oracle, sets });
  } finally {
    model.dispose();
    oracle.dispose();
  }
  assert.equal(memory().liveTensors, live);
}

test("the second rate is smaller where the first broke or got there early, else larger", () => {
  const second = (status: Cell["status"], epochs: number) => {
    const cell = { status, epochs } as Cell; // all that is looked at
    const plans = stageA({ texts: 8, recipes: [RECIPES[0]!], cellOf: () => cell });
    return plans.slice(1).map((p) => p.factor);
  };
  const most = settingsFor({ flags: RECIPES[0]!.flags, factor: 1 }).epochs;
  assert.deepEqual(second("reached", Math.floor(most / 3)), [1 / 3]);
  assert.deepEqual(second("reached", most), [3]);
  assert.deepEqual(second("stuck", most / 2), [3]);
  assert.deepEqual(second("collapsed", 1), [1 / 3]);
  assert.deepEqual(second("failed", 0), []);
});

test("where a method would end, at the pace of the latter half of its way", () => {
  assert.equal(endOf([0], 40), 0);
  assert.ok(Math.abs(endOf([0, 0.1, 0.2], 10) - 1) < 1e-12);
  assert.ok(Math.abs(endOf([0, 0.5, 0.6, 0.65, 0.7], 10) - 1) < 1e-12); // .05 an epoch, not .175
});

test("stage b takes fresh families, and other set sizes unless it is a first look", () => {
  const targets = (texts?: number) => {
    const plans = stageB([{ recipe: RECIPES[0]!, factor: 1 }], texts);
    assert.ok(plans.every((p) => p.seed === p.target.seed));
    return [...new Set(plans.map((p) => nameOf(p.target)))];
  };
  assert.deepEqual(targets(), ["32x64-s1", "32x64-s2", "8x64-s1", "128x64-s1", "32x64-s0"]);
  assert.deepEqual(targets(8), ["8x64-s1", "8x64-s2", "8x64-s0"]);
});

test("a target of other sets or made again elsewhere has a name of its own", () => {
  const spec = { texts: 8, tokens: 64, seed: 0 };
  assert.equal(nameOf(spec), "8x64-s0");
  assert.equal(nameOf({ ...spec, kept: 8 }), "8x64-s0");
  assert.equal(nameOf({ ...spec, kept: 2, label: "cpu" }), "8+2x64-s0-cpu");
  assert.equal(nameOf({ ...spec, label: "cpu" }), "8x64-s0-cpu");
});

test("divergence is nothing from a model to itself and more on the texts that another forgot", async () => {
  await withModels(({ model, oracle, sets }) => {
    assert.equal(divergence(model, model, sets.forget.windows), 0);
    const [forget, kept] = [sets.forget, sets.kept].map((s) =>
      divergence(model, oracle, s.windows),
    );
    assert.ok(forget! > 2 * kept!, `${forget} against ${kept}`);
    return Promise.resolve();
  });
});

test("erasing ends at the first point where the set is known no better than by the oracle", async () => {
  await withModels(async ({ model, oracle, sets }) => {
    const stats = await tokenStats(oracle.arch, oracle.weights, sets.forget.windows);
    const oracleStanding = standingOf(stats, sets.forget.windows);
    const given = {
      model,
      original: oracle,
      forget: sets.forget,
      heldout: sets.heldout,
      oracle: oracleStanding,
      factor: 1,
      seed: 0,
      say: () => undefined,
    };
    const erased = await eraseEqually({ ...given, flags: { method: "emso", rank: 8, lr: 2e-3 } });
    const weights = erased.prepared.writer.trainable.weights;
    const figures = await figuresOf(
      { served: { arch: model.arch, weights }, params: undefined },
      model,
      sets,
      { lambada: 0, draws: 2, seed: 0, attacks: false },
    );
    erased.prepared.dispose();
    assert.equal(erased.status, "reached");
    const { mean } = oracleStanding;
    assert.ok(figures.forget.accuracy <= mean.accuracy, `${figures.forget.accuracy}`);
    assert.ok(figures.forget.nll >= mean.nll - 1e-6, `${figures.forget.nll} < ${mean.nll}`);
    const before = erased.course.at(-2);
    assert.ok(before === undefined || before[0] < mean.nll || before[1] > mean.accuracy, "late");

    const slow = { method: "emso", scope: "linear", groups: 1, rank: 8, lr: 4e-4 };
    const late = await eraseEqually({ ...given, flags: slow });
    late.prepared.dispose();
    assert.equal(late.status, "reached", "a look back is no new epoch");
    assert.ok(late.epochs > 15, `${late.epochs}`);

    const still = await eraseEqually({ ...given, flags: { method: "emso", rank: 8, lr: 0 } });
    still.prepared.dispose();
    assert.equal(still.status, "stuck");
    assert.ok(still.epochs < 10, `${still.epochs} epochs before it was given up`);
  });
});
