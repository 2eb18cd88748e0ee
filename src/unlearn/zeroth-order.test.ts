/** @file Steps from forward passes alone, against the gradient that they do not take. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assertClose } from "../../tests/close.ts";
import { sentences, temporary, tinyModel } from "../../tests/tiny.ts";
import { wholeWindow } from "../eval/index.ts";
import { forwardBackward, loadModel, type Model } from "../models/index.ts";
import {
  add,
  clone,
  disposeAll,
  eigh,
  keep,
  matmul,
  memory,
  mul,
  mulScalar,
  resetPeak,
  sub,
  sum,
  t,
  tidy,
  type Tensor,
} from "../torch/index.ts";
import { nll } from "./losses/index.ts";
import { optimiser } from "./optimiser.ts";
import { trainedTokens, trainingBatch, type TrainingBatch } from "./rows.ts";
import { eligibleParameters } from "./scope.ts";
import { gradientSteps, type Stepper } from "./step.ts";
import { denseWriter } from "./writers/weights.ts";
import type { Writer } from "./writers/types.ts";
import { subspaceSteps } from "./zeroth-order.ts";

let model: Model;
let rows: number[][];
before(async () => {
  model = await loadModel(await tinyModel(temporary()));
  rows = sentences("blind", 4, 24).map((s) => model.tokenizer.encode(s, { addSpecial: false }));
});
after(() => model.dispose());

const trainingOf = (): TrainingBatch => {
  const windows = rows.map((ids, i) => wholeWindow(ids, i));
  return trainingBatch(
    windows,
    windows.map((w) => trainedTokens(w, "all")),
  );
};
function writerOf(scope: "linear" | "no-embeddings"): Writer {
  const { arch, params } = model;
  return denseWriter(arch, params, eligibleParameters(arch, scope));
}
const copyOf = (writer: Writer) =>
  new Map([...writer.variables].map(([name, v]) => [name, tidy(() => keep(clone(v)))]));
/** δ of a step: (θ after - θ before) / -lr ρ, up to the sign of ρ, which is not told. */
const moved = (writer: Writer, start: ReadonlyMap<string, Tensor>, by: number) =>
  new Map([...writer.variables].map(([n, v]) => [n, mulScalar(sub(v, start.get(n)!), -1 / by)]));

test("the slope is the gradient along δ = U Z Vᵀ, U and V the same for all steps of a frame", () => {
  const live = memory().liveTensors;
  const writer = writerOf("linear");
  const blind = subspaceSteps(model.arch, writer, { seed: 3, every: 2 });
  const deltas: Map<string, Tensor>[] = [];
  tidy(() => {
    const training = trainingOf();
    const lr = 1e-2;
    for (const step of [0, 1, 2]) {
      const start = copyOf(writer);
      const gradients = new Map<string, Tensor>();
      forwardBackward(model.arch, writer.trainable, training.batch, training.rows, () => nll, {
        onGrad: (name, g) => void gradients.set(name, keep(clone(g))),
      });
      const { slope } = blind.step(training, () => nll, { lr, step, members: [] });
      const delta = moved(writer, start, lr * slope!);
      const along = [...delta].reduce((s, [n, d]) => s + sum(mul(d, gradients.get(n)!)).item(), 0);
      assertClose([Math.abs(along)], [slope!], { rtol: 0.05, what: `step ${step}` });
      deltas.push(delta);
      disposeAll([start, gradients]);
    }
    const name = "model.layers.0.mlp.up_proj.weight"; // (64, 32), r = 24
    const [a, b, c] = deltas.map((d) => d.get(name)!);
    // ‖U Z Vᵀ‖ = ‖Z‖: 576 squared standard normals, mean 576, standard deviation 34
    for (const d of [a!, b!, c!]) assertClose([sum(mul(d, d)).item()], [576], { atol: 140 });
    const spanned = (x: Tensor, y: Tensor) => {
      const [values] = eigh(add(matmul(t(x), x), matmul(t(y), y)));
      return values.toFloats().filter((v) => v > 1e-2).length;
    };
    assert.equal(spanned(a!, b!), 24); // one frame: V is the same
    assert.equal(spanned(a!, c!), 32); // the next: another V
  });
  blind.dispose();
  writer.dispose();
  assert.equal(memory().liveTensors, live);
});

test("a step depends on its number and the variables alone: begun in the middle it ends the same, bit for bit", () => {
  const run = (parts: readonly (readonly number[])[]) =>
    tidy(() => {
      const writer = writerOf("no-embeddings"); // norms too: vectors
      for (const steps of parts) {
        const blind = subspaceSteps(model.arch, writer, { seed: 1, every: 2 });
        for (const step of steps) {
          blind.step(trainingOf(), () => nll, { lr: 1e-2, step, members: [] });
        }
        blind.dispose();
      }
      const end = [...writer.variables].map(([n, v]) => [n, Array.from(v.toFloats())]);
      writer.dispose();
      return end;
    });
  assert.deepEqual(run([[0, 1, 2], [3]]), run([[0, 1, 2, 3]]));
});

test("its peak is inference's: far below that of a step with gradients", () => {
  const peakOf = (make: (writer: Writer) => { step: Stepper; dispose: () => void }) =>
    tidy(() => {
      const [training, writer] = [trainingOf(), writerOf("linear")];
      const { step, dispose } = make(writer);
      const take = () => step(training, () => nll, { lr: 1e-3, step: 0, members: [] });
      take(); // moments and frames are there
      resetPeak();
      const { liveBytes } = memory();
      take();
      const used = memory().peakBytes - liveBytes;
      dispose();
      writer.dispose();
      return used;
    });
  const ordinary = peakOf((writer) => {
    const adam = optimiser();
    return { step: gradientSteps(model.arch, writer, adam), dispose: adam.dispose };
  });
  const forward = peakOf((writer) => subspaceSteps(model.arch, writer, { seed: 0 }));
  assert.ok(forward < 0.5 * ordinary, `${forward} and ${ordinary} bytes above what is held`);
});
