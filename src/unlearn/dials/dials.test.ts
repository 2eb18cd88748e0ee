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
import { denseWriter, weightsWriter } from "../writers/weights.ts";
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
    ordinary: () => Promise.resolve([]),
    fraction: 0.05,
    per: "global",
    rank: 8,
    ridge: 0.01,
    groups: 1,
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
  const writer = denseWriter(arch, params, eligible);
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

test("ssd: a threshold on I_f / I_r that halves, weights above it times min(1, I_r / I_f)", async () => {
  const live = memory().liveTensors;
  const eligible = select.eligible.filter((e) => e.name.includes("layers.1.mlp"));
  const { arch, params } = select;
  const chosen = eligible.map((e) => [e.name, tensor([0, 5, 9, 700], { dtype: "int64" })] as const);
  const writer = weightsWriter(arch, params, eligible, new Map(chosen));
  const start = valuesOf(writer);
  // I by its definition: one gradient a batch of 8, squared; the forget set is one batch of 6, retain text one of 5
  const squared = async (own: SelectInput) => {
    const g = await forgetGradients({ ...own, eligible }, () => () => nll, "nll");
    const at = new Map([...g].map(([n, t]) => [n, t.toFloats()]));
    disposeAll(g);
    return (name: string, i: number) => at.get(name)![i]! ** 2;
  };
  const windows = await retained();
  const tokens = windows.map((w) => w.ids.slice(1).map((_, i) => i + 1));
  const [f, r] = [await squared(select), await squared({ ...select, windows, tokens })];
  const ratios = eligible.flatMap((e) => [0, 5, 9, 700].map((i) => f(e.name, i) / r(e.name, i)));
  const highest = Math.max(...ratios);
  const { dial, dispose } = await DIALS.ssd(inputFor(writer, METHODS.ssd.settings));
  for (const s of [0, 0.5, 2, 6, 60]) {
    dial.set(s);
    const alpha = highest * 2 ** -s;
    const got = valuesOf(writer);
    eligible.forEach(({ name }, e) => {
      const want = [0, 1, 2, 3].map((k) => {
        const ratio = ratios[4 * e + k]!;
        return start.get(name)![k]! * (s > 0 && ratio > alpha ? Math.min(1, 1 / ratio) : 1);
      });
      assertClose(got.get(name)!, want, { rtol: 1e-3, what: `${name} at ${s}` });
      if (s === 0) assert.deepEqual(got.get(name)!, start.get(name)!);
    });
  }
  assert.ok(ratios.filter((x) => x > 1).length >= 2 && ratios.some((x) => x < 1), ratios.join());
  dispose();
  writer.dispose();
  assert.equal(memory().liveTensors, live);
});

test("importance is a mean over batches, each a mean over its own rows", async () => {
  const twice = [...select.windows, ...select.windows, ...select.windows.slice(0, 2)]; // 14: batches of 8 and 6
  const tokens = twice.map((w) => w.ids.slice(1).map((_, i) => i + 1));
  const of = async (from: number, to: number, options: object) => {
    const part = { windows: twice.slice(from, to), tokens: tokens.slice(from, to) };
    const eligible = select.eligible.slice(0, 1);
    const g = await forgetGradients({ ...select, ...part, eligible }, () => () => nll, "", options);
    const values = g.get(eligible[0]!.name)!.toFloats();
    disposeAll(g);
    return values;
  };
  const [a, b] = [await of(0, 8, {}), await of(8, 14, {})];
  const all = await of(0, 14, { square: true, byBatch: true });
  const want = all.map((_, i) => (a[i]! ** 2 + b[i]! ** 2) / 2);
  assertClose(all, want, { rtol: 1e-4, atol: 1e-12 });
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
