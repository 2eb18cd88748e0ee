/** @file Moments against a plain run through the model that writes down what each linear layer reads. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assertClose } from "../../../tests/close.ts";
import { sentences, temporary, tinyModel } from "../../../tests/tiny.ts";
import { loadModel, toBatch, watched, type Model } from "../../models/index.ts";
import { memory, noGrad, tidy } from "../../torch/index.ts";
import { eachBlockMoments, type Corpus, type MomentsVisit } from "./moments.ts";

let model: Model;
let rows: number[][];
before(async () => {
  model = await loadModel(await tinyModel(temporary()));
  const encode = (text: string) => model.tokenizer.encode(text, { addSpecial: false });
  rows = [...sentences("even", 5, 24), ...sentences("odd", 3, 17)].map((text) => encode(text));
});
after(() => model.dispose());

/** The rows (n, d) that each input has seen, one text at a time. */
function inputsSeen(corpus: Corpus): Map<string, number[][]> {
  const { arch, weights } = model;
  const seen = new Map<string, number[][]>();
  for (const row of corpus) {
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

async function momentsOf(
  corpora: readonly Corpus[],
  options: Parameters<typeof eachBlockMoments>[4] = {},
): Promise<Map<string, Float32Array[]>> {
  const found = new Map<string, Float32Array[]>();
  const visit: MomentsVisit = (_, moments) => {
    for (const [input, list] of moments) {
      found.set(
        input,
        list.map((m) => Float32Array.from(m.toFloats())),
      );
    }
  };
  await eachBlockMoments(model.arch, model.weights, corpora, visit, options);
  return found;
}

test("moments are those of a plain run, on each corpus, whatever its rows' lengths", async () => {
  const live = memory().liveTensors;
  const found = await momentsOf([rows, rows.slice(0, 2)]);
  const seen = [inputsSeen(rows), inputsSeen(rows.slice(0, 2))];
  assert.equal(found.size, 4 * model.arch.layers);
  for (const [input, moments] of found) {
    moments.forEach((m, c) => {
      const scale = Math.max(...m.map(Math.abs));
      const expected = momentOf(seen[c]!.get(input)!);
      assertClose(m, expected, { rtol: 1e-4, atol: 1e-6 * scale, what: input });
    });
  }
  assert.equal(memory().liveTensors, live);
});

test("only the moments asked for are made, and they are the same ones", async () => {
  const all = await momentsOf([rows]);
  const wanted = (input: string) => input.endsWith("mlp_out") && !input.includes("layers.0.");
  const some = await momentsOf([rows], { wanted });
  assert.deepEqual(new Set(some.keys()), new Set([...all.keys()].filter(wanted)));
  assert.equal(some.size, model.arch.layers - 1);
  for (const [input, moments] of some) assert.deepEqual(moments, all.get(input));
});
