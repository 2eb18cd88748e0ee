import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assertClose } from "../../../tests/close.ts";
import { sentences, temporary, tinyModel } from "../../../tests/tiny.ts";
import { wholeWindow } from "../../eval/index.ts";
import { forwardBackward, loadModel, type Model } from "../../models/index.ts";
import { clone, copy_, memory, neg, noGrad, tensor, tidy } from "../../torch/index.ts";
import { nll } from "../losses/index.ts";
import { optimiser } from "../optimiser.ts";
import { trainedTokens, trainingBatch } from "../rows.ts";
import { maskedWriter } from "./masked.ts";
import { weightsWriter } from "./weights.ts";

const NAME = "model.layers.1.mlp.down_proj.weight";
const eligible = [{ name: NAME, part: 1 as const }];
let model: Model;
before(async () => {
  model = await loadModel(await tinyModel(temporary()));
});
after(() => model.dispose());

test("scores start at |W| / mean|W|, and the smallest weights are dropped", () => {
  const live = memory().liveTensors;
  const weight = Array.from(model.params.get(NAME)!.toFloats());
  const writer = maskedWriter(model.arch, model.params, eligible, { fraction: 0.01 });
  const sizes = weight.map(Math.abs);
  const mean = sizes.reduce((a, b) => a + b, 0) / sizes.length;
  assertClose(
    writer.variables.get(NAME)!.toFloats(),
    sizes.map((s) => s / mean),
    { rtol: 1e-4 },
  );
  const least = [...sizes].sort((a, b) => a - b)[19]!; // 1 % of 2048 are 20
  const want = weight.map((w) => (Math.abs(w) <= least ? 0 : w));
  tidy(() => {
    assert.deepEqual(Array.from(writer.merged(NAME)!.toFloats()), want);
    assert.deepEqual(Array.from(writer.trainable.weights.get(NAME).toFloats()), want);
  });
  assert.deepEqual(writer.selection, { selected: 20, total: 2048, rank: null });
  writer.dispose();
  assert.equal(memory().liveTensors, live);
});

test("a score's gradient is that of the weight it lets through, times the weight; the lowest scores drop", () => {
  const live = memory().liveTensors;
  const writer = maskedWriter(model.arch, model.params, eligible, { fraction: 0.5 });
  tidy(() => {
    const windows = sentences("mask", 2, 20).map((text, i) =>
      wholeWindow(model.tokenizer.encode(text, { addSpecial: false }), i),
    );
    const { batch, rows } = trainingBatch(
      windows,
      windows.map((w) => trainedTokens(w, "all")),
    );
    // the same pass with the masked weight as an ordinary one
    const masked = clone(writer.merged(NAME)!);
    const params = new Map([...model.params, [NAME, masked] as const]);
    const dense = weightsWriter(model.arch, params, eligible, new Map([[NAME, null]]));
    const of = (w: typeof writer) => {
      let got: ArrayLike<number> = [];
      forwardBackward(model.arch, w.trainable, batch, rows, () => nll, {
        onGrad: (name, g) => void (got = noGrad(() => w.gradient(name, g)).toFloats()),
      });
      return Array.from(got);
    };
    const weight = model.params.get(NAME)!.toFloats();
    const slope = of(dense);
    assertClose(
      of(writer),
      slope.map((g, i) => g * weight[i]!),
      { rtol: 1e-4, atol: 1e-9 },
    );
    // sizes rank, so that a negative score of the same size lets the same through, and its slope is the other way
    const scores = writer.variables.get(NAME)!;
    noGrad(() => tidy(() => copy_(scores, neg(scores))));
    writer.publish();
    assertClose(
      of(writer),
      slope.map((g, i) => -g * weight[i]!),
      { rtol: 1e-4, atol: 1e-9 },
    );
    dense.dispose();
  });
  const values = Float32Array.from({ length: 2048 }, (_, i) => (i % 2 === 0 ? -2 : 0.5)); // sizes count, not signs
  noGrad(() => tidy(() => copy_(writer.variables.get(NAME)!, tensor(values, { shape: [32, 64] }))));
  writer.publish();
  const weight = model.params.get(NAME)!.toFloats();
  writer.trainable.weights
    .get(NAME)
    .toFloats()
    .forEach((w, i) => assert.equal(w, i % 2 === 0 ? weight[i] : 0));
  writer.dispose();
  assert.equal(memory().liveTensors, live);
});

test("momentum: m = .9 m + g, a step of lr against m; its state is restored", () => {
  const live = memory().liveTensors;
  tidy(() => {
    const [a, b] = [optimiser({ name: "momentum" }), optimiser({ name: "momentum" })];
    const x = tensor([1, 2]);
    a.step("x", x, tensor([1, -1]), 0.1); // m = 1, -1
    assertClose(x.toFloats(), [0.9, 2.1]);
    b.load(a.state());
    const y = clone(x);
    for (const [optimiser, v] of [
      [a, x],
      [b, y],
    ] as const) {
      optimiser.step("x", v, tensor([2, 0]), 0.1); // m = 2.9, -.9
      assertClose(v.toFloats(), [0.9 - 0.29, 2.1 + 0.09], { rtol: 1e-6 });
      optimiser.dispose();
    }
  });
  assert.equal(memory().liveTensors, live);
});
