/** @file Dials against numbers worked out here, on a tiny model. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assertClose } from "../../../tests/close.ts";
import { sentences, temporary, tinyModel } from "../../../tests/tiny.ts";
import { wholeWindow, windowsOf } from "../../eval/index.ts";
import { loadModel, type Model } from "../../models/index.ts";
import { disposeAll, memory, tensor, zeros } from "../../torch/index.ts";
import { nll } from "../losses/index.ts";
import { METHODS } from "../methods/index.ts";
import { eligibleParameters } from "../scope.ts";
import { forgetGradients } from "../select/gradients.ts";
import type { SelectInput } from "../select/types.ts";
import { factorsWriter } from "../writers/factors.ts";
import { weightsWriter } from "../writers/weights.ts";
import type { Writer } from "../writers/types.ts";
import { DIALS, type DialInput } from "./index.ts";

let model: Model;
let select: SelectInput;
before(async () => {
  model = await loadModel(await tinyModel(temporary()));
  const encode = (text: string) => model.tokenizer.encode(text, { addSpecial: false });
  const rows = sentences("dial", 6, 24).map((text) => encode(text));
  const windows = rows.flatMap((ids, text) => windowsOf({ ids }, { text, prefix: 8, suffix: 16 }));
  const { arch, params, weights } = model;
  select = {
    arch,
    params,
    weights,
    windows,
    tokens: windows.map((w) => w.ids.slice(1).map((_, i) => i + 1)),
    eligible: eligibleParameters(arch, "linear"),
    lossOf: () => () => nll,
    selfTexts: () => Promise.resolve([]),
    fraction: 0.05,
    per: "global",
    rank: 8,
    ridge: 0.01,
    seed: 0,
  };
});
after(() => model.dispose());

const retained = () =>
  Promise.resolve(
    sentences("own", 5, 24).map((text, i) =>
      wholeWindow(model.tokenizer.encode(text, { addSpecial: false }), i),
    ),
  );
const inputFor = (writer: Writer, settings: DialInput["settings"]): DialInput => ({
  ...select,
  writer,
  settings,
  retained,
});
const valuesOf = (writer: Writer) =>
  new Map([...writer.variables].map(([name, v]) => [name, v.toFloats()]));

test("task_arithmetic: θ0 - α (θ_FT - θ0), one step of Adam being lr against the sign of the gradient", async () => {
  const live = memory().liveTensors;
  const { arch, params, eligible } = select;
  const writer = weightsWriter(
    arch,
    params,
    eligible,
    new Map(eligible.map((e) => [e.name, null])),
  );
  const [start, slope] = [valuesOf(writer), await forgetGradients(select, () => () => nll, "nll")];
  const lr = 1e-2;
  const settings = { ...METHODS.task_arithmetic.settings, tunePasses: 1, tuneLr: lr, batch: 8 };
  const { dial, dispose } = await DIALS.task_arithmetic(inputFor(writer, settings));
  for (const [name, values] of valuesOf(writer)) assert.deepEqual(values, start.get(name)); // made, not yet turned
  for (const alpha of [0.5, 2]) {
    dial.set(alpha);
    for (const [name, values] of valuesOf(writer)) {
      const [before, g] = [start.get(name)!, slope.get(name)!.toFloats()];
      const sure = Array.from(g.keys()).filter((i) => Math.abs(g[i]!) > 1e-4); // where Adam's ε does not show
      assert.ok(sure.length > g.length / 4, `${name}: ${sure.length} of ${g.length}`);
      assertClose(
        sure.map((i) => values[i]!),
        sure.map((i) => before[i]! + alpha * lr * Math.sign(g[i]!)),
        { atol: 1e-4, what: `${name} at ${alpha}` },
      );
    }
  }
  dial.set(0);
  for (const [name, values] of valuesOf(writer)) assert.deepEqual(values, start.get(name));
  dispose();
  writer.dispose();
  disposeAll(slope);
  assert.equal(memory().liveTensors, live);
});

test("task_arithmetic in directions: B = -α B_FT, twice the strength twice as far", async () => {
  const live = memory().liveTensors;
  const layer = "model.layers.1.mlp.down_proj";
  const u = tensor(
    Float32Array.from({ length: 128 }, (_, i) => Math.sin(i)),
    { shape: [64, 2] },
  );
  const writer = factorsWriter(model.arch, model.params, new Map([[layer, u]]));
  const settings = { ...METHODS.task_arithmetic.settings, tunePasses: 2, tuneLr: 1e-2 };
  const { dial, dispose } = await DIALS.task_arithmetic(inputFor(writer, settings));
  const at = (alpha: number) => {
    dial.set(alpha);
    return writer.variables.get(layer)!.toFloats();
  };
  const [one, two] = [at(1), at(2)];
  assert.ok(
    one.some((v) => Math.abs(v) > 1e-3),
    "it moved",
  );
  assertClose(
    two,
    one.map((v) => 2 * v),
  );
  const none = zeros([32, 2]);
  assertClose(at(0), none.toFloats());
  none.dispose();
  dispose();
  writer.dispose();
  assert.equal(memory().liveTensors, live);
});
