/** @file The rounded twin of weights, against a model whose weights were rounded and stored. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assertClose } from "../../tests/close.ts";
import { sentences, temporary, tinyModel } from "../../tests/tiny.ts";
import {
  hiddenStates,
  loadModel,
  plainWeights,
  toBatch,
  type Architecture,
  type Model,
  type Weights,
} from "../models/index.ts";
import { disposeAll, memory, noGrad, tensor, tidy } from "../torch/index.ts";
import { roundedParameters, roundedTwin } from "./rounding.ts";

let model: Model;
let rows: number[][];
before(async () => {
  model = await loadModel(await tinyModel(temporary()));
  rows = sentences("twin", 4, 24).map((s) => model.tokenizer.encode(s, { addSpecial: false }));
});
after(() => model.dispose());

const hidden = (weights: Weights): number[] =>
  noGrad(() => tidy(() => [...hiddenStates(model.arch, weights, toBatch(rows)).toFloats()]));

for (const bits of [4, 8] as const) {
  test(`at θ0 the twin is the model as stored in ${bits} bits`, () => {
    const live = memory().liveTensors;
    const stored = roundedParameters(model.arch, model.params, bits);
    const twin = roundedTwin(model.arch, model.weights, bits);
    const [expected, found] = [
      hidden(plainWeights(model.arch, stored.params)),
      hidden(twin.of(model.weights)),
    ];
    assertClose(found, expected, { rtol: 1e-4, atol: 1e-5 });
    const apart = Math.max(...hidden(model.weights).map((x, i) => Math.abs(x - found[i]!)));
    assert.ok(apart > 1e-3, `${apart}`); // it is another model
    twin.dispose();
    disposeAll(stored.made);
    assert.equal(memory().liveTensors, live);
  });
}

test("a weight that is stored (in, out) is rounded as stored and used as it is read", () => {
  tidy(() => {
    const weight = tensor([7, 3.4, -1.6, 0.2, 14, -3.1], { shape: [2, 3] }); // scales 1 and 2
    const arch = { linears: [{ name: "a", transposed: true }] } as unknown as Architecture;
    const params = new Map([["a.weight", weight]]);
    const weights = plainWeights(arch, params);
    const twin = roundedTwin(arch, weights, 4);
    const one = tensor([1, 10], { shape: [1, 2] });
    // [7, 3, -2] + 10·[0, 14, -4]
    assertClose(twin.of(weights).linear("a", one).toFloats(), [7, 143, -42], { rtol: 1e-6 });
    assertClose(weights.linear("a", one).toFloats(), [9, 143.4, -32.6], { rtol: 1e-6 });
    twin.dispose();
  });
});
