import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assertClose } from "../../tests/close.ts";
import { sentences, temporary, tinyModel } from "../../tests/tiny.ts";
import { wholeWindow, type Window } from "../eval/index.ts";
import { forwardBackward, loadModel, type Model, type Weights } from "../models/index.ts";
import {
  add,
  clone,
  disposeAll,
  full,
  keep,
  matmul,
  memory,
  t,
  tensor,
  tidy,
  zeros,
  type Tensor,
} from "../torch/index.ts";
import { nll } from "./losses/index.ts";
import { optimiser } from "./optimiser.ts";
import { addOutputMoments, inverseRoot, preconditioners } from "./precondition.ts";
import { trainedTokens, trainingBatch } from "./rows.ts";
import { trainStep } from "./step.ts";
import { factorsWriter } from "./writers/factors.ts";

let model: Model;
let windows: Window[];

before(async () => {
  model = await loadModel(await tinyModel(temporary()));
  windows = sentences("precondition", 3, 24).map((text, i) =>
    wholeWindow(model.tokenizer.encode(text, { addSpecial: false }), i),
  );
});
after(() => model.dispose());

const batchOf = (of: readonly Window[]) =>
  trainingBatch(
    of,
    of.map((w) => trainedTokens(w, "all")),
  );

const square = (values: readonly number[]): Tensor =>
  tensor(values, { shape: [Math.sqrt(values.length), Math.sqrt(values.length)], dtype: "float32" });

test("inverseRoot: by hand, in another basis, and the identity where all is alike", () => {
  tidy(() => {
    const rms = Math.sqrt((1 / 4 + 1 / 2) / 2); // eigenvalues 3 and 1, half of their mean added: 4 and 2
    const [p, q] = [1 / 2 / rms, Math.SQRT1_2 / rms];
    assertClose(inverseRoot(square([3, 0, 0, 1]), 0.5).toFloats(), [p, 0, 0, q], { atol: 1e-6 });
    const turned = [(p + q) / 2, (p - q) / 2, (p - q) / 2, (p + q) / 2]; // 3 along (1, 1), 1 along (1, -1)
    assertClose(inverseRoot(square([2, 1, 1, 2]), 0.5).toFloats(), turned, { atol: 1e-6 });
    for (const even of [0, 7]) {
      const same = inverseRoot(square([even, 0, 0, even]), 0.02).toFloats();
      assertClose(same, [1, 0, 0, 1], { atol: 1e-6 });
    }
  });
});

test("moments of the outputs are those of the likelihood's gradients, by differences", async () => {
  const { arch, weights } = model;
  const pairs = [
    [5, 70],
    [9, 3],
    [100, 41],
  ]; // one prediction each: what is added to all outputs is felt at one
  const layers = arch.linears.filter((l) => /up_proj|o_proj/.test(l.name));
  const moments = new Map(
    layers.map((l) => [l.name, keep(zeros([l.outFeatures, l.outFeatures]))] as const),
  );
  const told: string[] = [];
  await addOutputMoments(
    {
      arch,
      weights,
      ordinary: () => Promise.resolve(pairs),
      onProgress: (name, done, total) => told.push(`${name} ${done}/${total}`),
    },
    layers,
    moments,
  );
  assert.deepEqual(told, ["outputs 3/3"]);
  for (const { name, outFeatures } of layers) {
    tidy(() => {
      const along = Float32Array.from({ length: outFeatures }, (_, i) => Math.sin(3 * i + 1));
      const s = tensor(along, { shape: [outFeatures, 1] });
      const losses = (by: number): Float64Array => {
        const shift = tensor(along.map((x) => by * x));
        const w: Weights = {
          get: weights.get,
          linear: (n, x) => (n === name ? add(weights.linear(n, x), shift) : weights.linear(n, x)),
        };
        const { batch, rows } = batchOf(pairs.map(wholeWindow));
        const trainable = { weights: w, leavesOf: () => [], trainedHead: undefined };
        return forwardBackward(arch, trainable, batch, rows, () => nll, { onGrad: () => {} });
      };
      const [up, down] = [losses(0.02), losses(-0.02)];
      const want = up.reduce((sum, l, i) => sum + ((l - down[i]!) / 0.04) ** 2, 0);
      const felt = matmul(
        matmul(tensor(along, { shape: [1, outFeatures] }), moments.get(name)!),
        s,
      );
      assertClose([felt.item()], [want], { rtol: 2e-2, what: name });
    });
  }
  disposeAll(moments);
});

test("a step is taken as P s of a gradient shown as P g", () => {
  const { arch, params } = model;
  const layer = arch.linears.find((l) => l.name.endsWith("1.mlp.down_proj"))!;
  const p = inverseOf(layer.outFeatures);
  const live = memory().liveTensors;
  const after = (preconditioned: boolean): number[] => {
    const u = tidy(() => keep(full([layer.inFeatures, 2], 0.3)));
    const preconditioners = new Map(
      preconditioned ? [[layer.name, tidy(() => keep(clone(p)))]] : [],
    );
    const writer = factorsWriter(arch, params, new Map([[layer.name, u]]), { preconditioners });
    const sgd = optimiser({ name: "sgd", project: writer.project });
    tidy(() => trainStep(arch, writer, sgd, batchOf(windows), () => nll, { lr: 0.1 }));
    const b = Array.from(writer.variables.get(layer.name)!.toFloats());
    sgd.dispose();
    writer.dispose();
    return b;
  };
  const [plain, own] = [after(false), after(true)];
  const want = tidy(() => {
    const b = tensor(plain, { shape: [layer.outFeatures, 2], dtype: "float32" });
    return Array.from(matmul(p, matmul(p, b)).toFloats());
  });
  assertClose(own, want, { rtol: 1e-4, atol: 1e-7 });
  assert.equal(memory().liveTensors, live);
  p.dispose();
});

const inverseOf = (d: number): Tensor =>
  tidy(() => {
    const a = Float32Array.from({ length: d * d }, (_, i) => Math.sin(i));
    const x = tensor(a, { shape: [d, d] });
    return keep(inverseRoot(matmul(x, t(x)), 0.02));
  });

test("every layer that is asked for has one, symmetric; nothing else is left", async () => {
  const { arch, weights } = model;
  const layers = arch.linears.filter((l) => l.kind === "mlp");
  const live = memory().liveTensors;
  const own = () => Promise.resolve(windows.map((w) => [...w.ids]));
  const made = await preconditioners({ arch, weights, ordinary: own }, layers);
  assert.equal(memory().liveTensors, live + layers.length);
  for (const { name, outFeatures } of layers) {
    const p = made.get(name)!;
    assert.deepEqual(p.shape, [outFeatures, outFeatures]);
    assertClose(
      p.toFloats(),
      tidy(() => t(p).toFloats()),
      { atol: 1e-4 },
    );
  }
  disposeAll(made);
});

test("asked to stop between two layers it stops there, and nothing is left", async () => {
  const { arch, weights } = model;
  const layers = arch.linears.filter((l) => l.kind === "mlp");
  const stop = new AbortController();
  const live = memory().liveTensors;
  const told: string[] = [];
  const made = preconditioners(
    {
      arch,
      weights,
      ordinary: () => Promise.resolve(windows.map((w) => [...w.ids])),
      signal: stop.signal,
      onProgress: (name, done, total) => {
        told.push(`${name} ${done}/${total}`);
        setImmediate(() => setImmediate(() => stop.abort())); // behind the first layer
      },
    },
    layers,
  );
  await assert.rejects(made, { name: "AbortError" });
  assert.deepEqual(told, ["outputs 3/3"]);
  assert.equal(memory().liveTensors, live);
});
