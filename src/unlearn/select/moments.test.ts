/** @file Moments against a plain run through the model that writes down what each linear layer reads. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assertClose } from "../../../tests/close.ts";
import { sentences, temporary, tinyModel } from "../../../tests/tiny.ts";
import {
  loadModel,
  plainWeights,
  toBatch,
  watched,
  type Model,
  type Weights,
} from "../../models/index.ts";
import { memory, noGrad, tidy, type Tensor } from "../../torch/index.ts";
import { roundedLinear, roundedWeights } from "../rounding.ts";
import { eachBlockMoments, type Corpus } from "./moments.ts";

let model: Model;
let rows: number[][];
before(async () => {
  model = await loadModel(await tinyModel(temporary()));
  const encode = (text: string) => model.tokenizer.encode(text, { addSpecial: false });
  rows = [...sentences("even", 5, 24), ...sentences("odd", 3, 17)].map((text) => encode(text));
});
after(() => model.dispose());

/** The rows (n, d) that each input has seen, one text at a time. */
function inputsSeen(weights: Weights): Map<string, number[][]> {
  const { arch } = model;
  const seen = new Map<string, number[][]>();
  for (const row of rows) {
    noGrad(() =>
      tidy(() => {
        const batch = toBatch([row]);
        const context = arch.context(batch, "float32");
        const firsts = new Map(arch.linears.map((l) => [l.input, l.name] as const).reverse());
        const eyes = watched(weights, (name, x) => {
          const input = arch.linears.find((l) => l.name === name)!.input;
          if (firsts.get(input) !== name) return;
          const [width, flat] = [x.shape.at(-1)!, [...x.toFloats()]];
          const list = seen.get(input) ?? [];
          for (let at = 0; at < flat.length; at += width) list.push(flat.slice(at, at + width));
          seen.set(input, list);
        });
        let x = arch.embed(weights, batch, context);
        for (let block = 0; block < arch.layers; block++) x = arch.block(eyes, block, x, context);
      }),
    );
  }
  return seen;
}

/** E[x xᵀ] of plain rows, flat. */
function momentOf(list: readonly number[][]): number[] {
  const d = list[0]!.length;
  const sum = new Array<number>(d * d).fill(0);
  for (const x of list) {
    for (let i = 0; i < d; i++) {
      for (let j = 0; j < d; j++) sum[i * d + j]! += x[i]! * x[j]!;
    }
  }
  return sum.map((v) => v / list.length);
}

async function momentsOf(corpus: Corpus): Promise<Map<string, [Float32Array, Float32Array]>> {
  const found = new Map<string, [Float32Array, Float32Array]>();
  const floats = (m: Tensor | undefined) => Float32Array.from(m!.toFloats());
  await eachBlockMoments(model.arch, model.weights, [corpus], (_, moments) => {
    for (const [input, [of]] of moments) {
      found.set(input, [floats(of!.inputs), floats(of!.errors)]);
    }
  });
  return found;
}

/** Rounded as a deployment would store it, not on every use. */
function deployed(): { weights: Weights; dispose: () => void } {
  const params = new Map(model.params);
  const made = model.arch.linears.map(({ name }) => {
    const value = noGrad(() => roundedLinear(model.params.get(`${name}.weight`)!, 4));
    params.set(`${name}.weight`, value);
    return value;
  });
  return {
    weights: plainWeights(model.arch, params),
    dispose: () => made.forEach((m) => m.dispose()),
  };
}

test("moments are those of a plain run, of what is read and of what rounding makes different in it", async () => {
  const live = memory().liveTensors;
  const under = roundedWeights(model.arch, model.weights, 4);
  const found = await momentsOf({ rows, under });
  const coarse = deployed();
  const [plain, rough] = [inputsSeen(model.weights), inputsSeen(coarse.weights)];
  coarse.dispose();
  assert.equal(found.size, 4 * model.arch.layers);
  for (const [input, [own, errors]] of found) {
    const [x, y] = [plain.get(input)!, rough.get(input)!];
    const scale = Math.max(...own.map(Math.abs));
    assertClose(own, momentOf(x), { rtol: 1e-4, atol: 1e-6 * scale, what: input });
    const apart = y.map((row, i) => row.map((v, j) => v - x[i]![j]!));
    assertClose(errors, momentOf(apart), { rtol: 1e-3, atol: 1e-6 * scale, what: input });
  }
  const [, firstErrors] = found.get(model.arch.linears[0]!.input)!;
  assert.ok(firstErrors.every((v) => v === 0)); // nothing is rounded before the first layer
  assert.equal(memory().liveTensors, live);
});

test("weights that are the same make nothing different", async () => {
  const found = await momentsOf({ rows, under: model.weights });
  for (const [input, [, errors]] of found) {
    assert.ok(
      errors.every((v) => v === 0),
      input,
    );
  }
});
