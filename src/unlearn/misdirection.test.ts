/** @file RMU's parts against their definitions: the truncated model, its gradient, the vector it is steered to, its retain term. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assertClose } from "../../tests/close.ts";
import { sentences, temporary, tinyModel } from "../../tests/tiny.ts";
import { wholeWindow, type Window } from "../eval/index.ts";
import {
  forwardBackward,
  hiddenStates,
  IDENTITY,
  identityFor,
  loadModel,
  plainWeights,
  toBatch,
  truncated,
  type Model,
  type Parameters,
} from "../models/index.ts";
import { clone, memory, mul, noGrad, requiresGrad, sum, tensor, tidy } from "../torch/index.ts";
import { anchored, rmu } from "./losses/rmu.ts";
import { LOSS_DEFAULTS } from "./losses/index.ts";
import { steered, steeredLayer, steeringVector } from "./misdirection.ts";
import { trainedTokens, trainingBatch } from "./rows.ts";
import { eligibleParameters } from "./scope.ts";

let model: Model;
let params: Parameters;
let windows: Window[];
let live: number;
before(async () => {
  model = await loadModel(await tinyModel(temporary()));
  live = memory().liveTensors;
  params = new Map([...model.params, [IDENTITY, identityFor(model.arch, model.weights)]]);
  windows = sentences("steer", 3, 20).map((text, i) =>
    wholeWindow(model.tokenizer.encode(text, { addSpecial: false }), i),
  );
});
after(() => {
  params.get(IDENTITY)!.dispose();
  assert.equal(memory().liveTensors, live);
  model.dispose();
});

test("the first blocks as a model: its hidden states are the last block's output", () => {
  tidy(() => {
    const { arch, weights } = model;
    const low = truncated(arch, 1);
    const batch = toBatch([windows[0]!.ids]);
    const got = hiddenStates(low, plainWeights(low, params), batch);
    const context = arch.context(batch, "float32");
    const want = noGrad(() => arch.block(weights, 0, arch.embed(weights, batch, context), context));
    assert.deepEqual(got.toFloats(), want.toFloats());
    assert.ok(low.linears.every((l) => l.block === 0) && low.parts.blocks.length === 1);
  });
});

test("l: a quarter of the depth, 2 at least, no more than there are; written are the MLP outputs of l-2 to l", () => {
  const deep = (layers: number) => ({ ...model.arch, layers });
  const layerOf = (layers: number) => steeredLayer({ layer: null }, deep(layers));
  assert.deepEqual([2, 4, 12, 32].map(layerOf), [1, 2, 3, 8]);
  assert.throws(
    () => steeredLayer({ layer: 2 }, model.arch),
    /--layer: expected a block .* 0 to 1/,
  );
  const { trained, first } = steered({ layer: null }, model.arch);
  assert.deepEqual(
    eligibleParameters(trained, "mlp-out", { first }).map((e) => e.name),
    [0, 1].map((l) => `model.layers.${l}.mlp.down_proj.weight`),
  );
  assert.equal(steered({ layer: 8 }, deep(32)).first, 6);
});

test("c·u is as long as the coefficient times the root mean square of ‖h0‖, in the positive orthant", async () => {
  const low = truncated(model.arch, 1);
  const w = plainWeights(low, params);
  const tokens = windows.map((x) => trainedTokens(x, "all"));
  const steer = await steeringVector(low, w, windows, tokens, { coefficient: 3, seed: 5 });
  tidy(() => {
    const squares = windows.flatMap((x) => {
      const hidden = Array.from(hiddenStates(low, w, toBatch([x.ids])).toFloats());
      const rows = x.ids.length - 1; // the last position predicts nothing
      return Array.from({ length: rows }, (_, t) =>
        hidden.slice(32 * t, 32 * t + 32).reduce((s, v) => s + v * v, 0),
      );
    });
    const rms = Math.sqrt(squares.reduce((s, v) => s + v, 0) / squares.length);
    assertClose([Math.sqrt(sum(mul(steer, steer)).item())], [3 * rms], { rtol: 1e-4 });
    assert.ok([...steer.toFloats()].every((v) => v >= 0));
  });
  steer.dispose();
});

test("one step's gradient through the truncated model is that of its loss, by finite differences", () => {
  const low = truncated(model.arch, 2);
  const name = "model.layers.0.mlp.down_proj.weight";
  tidy(() => {
    const steer = tensor(
      Float32Array.from({ length: 32 }, (_, i) => i / 8),
      { shape: [1, 32] },
    );
    const { batch, rows } = trainingBatch(
      windows,
      windows.map((x) => trainedTokens(x, "all")),
    );
    const lossOf = () => rmu.of({ steer } as never, LOSS_DEFAULTS);
    const at = (index: number, shift: number) => {
      const values = model.params.get(name)!.toFloats().slice() as Float32Array;
      values[index]! += shift;
      const leaf = requiresGrad(clone(tensor(values, { shape: [32, 64] })));
      const trainable = {
        weights: plainWeights(low, new Map([...params, [name, leaf]])),
        leavesOf: (part: unknown) => (part === 0 ? [{ name, tensor: leaf }] : []),
        trainedHead: undefined,
      };
      let gradient = NaN;
      const losses = forwardBackward(low, trainable, batch, rows, lossOf, {
        onGrad: (_, g) => void (gradient = g.toFloats()[index]!),
      });
      const loss = losses.reduce((s, l, i) => s + l * rows.weights[i]!, 0);
      return { loss, gradient };
    };
    for (const index of [0, 77, 2047]) {
      const step = 0.05;
      const want = (at(index, step).loss - at(index, -step).loss) / (2 * step);
      assertClose([at(index, 0).gradient], [want], { rtol: 2e-2, atol: 1e-3 });
    }
  });
});

test("rmu and its retain term by hand", () => {
  tidy(() => {
    const steer = tensor([1, 2], { shape: [1, 2] });
    const hidden = () => tensor([3, 2, 1, 1], { shape: [2, 2] });
    const chunk = { from: 0, count: 2, targets: steer };
    const away = rmu.of({ steer } as never, LOSS_DEFAULTS)(hidden(), chunk);
    assertClose(away.loss.toFloats(), [4, 1]); // (3-1)² + 0, 0 + (1-2)²
    assertClose(away.gradLogits.toFloats(), [4, 0, 0, -2]);
    const held = anchored({ logits: () => tensor([3, 1, 1, 1], { shape: [2, 2] }) })(
      hidden(),
      chunk,
    );
    assertClose(held.loss.toFloats(), [1, 0]);
    assertClose(held.gradLogits.toFloats(), [0, 2, 0, 0]);
  });
});
