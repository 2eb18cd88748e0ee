/**
 * @file Models that read a soft prompt before every text: a prompt that holds what real tokens embed to must do what those
 * tokens do; alone, in a batch, behind padding, over a cache. The prompt's gradient is the whole graph's.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  architectureOf,
  forwardBackward,
  generate,
  hiddenStates,
  logitsOf,
  plainWeights,
  prompted,
  promptOf,
  SOFT_PROMPT,
  toBatch,
  type Architecture,
  type Weights,
} from "../../src/models/index.ts";
import { nll } from "../../src/unlearn/losses/nll.ts";
import {
  cat,
  disposeAll,
  embedding,
  gather,
  grad,
  keep,
  linear,
  logSoftmax,
  mean,
  memory,
  narrow,
  neg,
  requiresGrad,
  reshape,
  select,
  tensor,
  tidy,
  unsqueeze,
  type Tensor,
} from "../../src/torch/index.ts";
import { assertClose } from "../close.ts";
import { readGolden } from "./read.ts";

const READ = [3, 17, 8, 29]; // what the prompt stands for
const P = READ.length;

type Case = {
  arch: Architecture;
  plain: Weights;
  long: Architecture;
  weights: Weights;
  prompt: Tensor;
  texts: number[][];
  close: () => void;
};

function open(name: string): Case {
  const { tensors, metadata } = readGolden(name);
  const params = new Map([...tensors].map(([key, t]) => [key.replace(/^param:/, ""), t]));
  const flat = tensors.get("ids")!.toInts();
  const arch = architectureOf(JSON.parse(metadata["config"]!) as Record<string, unknown>);
  const plain = plainWeights(arch, params);
  const prompt = tidy(() => keep(promptOf(arch, plain, READ)));
  const weights: Weights = { ...plain, get: (n) => (n === SOFT_PROMPT ? prompt : plain.get(n)) };
  return {
    arch,
    plain,
    long: prompted(arch, P),
    weights,
    prompt,
    texts: [flat.slice(0, 12), flat.slice(12, 21)],
    close: () => disposeAll([tensors, prompt]),
  };
}

const rowOf = (hidden: Tensor, b: number, from: number, count: number) =>
  narrow(select(hidden, 0, b), 0, from, count).toFloats();

for (const name of ["llama", "gpt_neo"]) {
  test(`${name}: a prompt that holds real tokens does what they do, however rows are padded`, () => {
    const c = open(name);
    tidy(() => {
      const alone = c.texts.map((text) =>
        rowOf(hiddenStates(c.arch, c.plain, toBatch([[...READ, ...text]])), 0, P, text.length),
      );
      for (const side of ["right", "left"] as const) {
        const hidden = hiddenStates(c.long, c.weights, toBatch(c.texts, { side }));
        assert.deepEqual(hidden.shape, [2, 12, c.arch.hidden]);
        c.texts.forEach((text, b) => {
          const from = side === "left" ? 12 - text.length : 0;
          const what = { rtol: 1e-4, atol: 1e-5, what: `${side} ${b}` };
          assertClose(rowOf(hidden, b, from, text.length), alone[b]!, what);
        });
      }
    });
    c.close();
  });

  test(`${name}: decoding goes on where reading at once would be, with the prompt in the cache`, async () => {
    const c = open(name);
    const texts = c.texts.map((t) => t.slice(0, 6));
    const uneven = [texts[0]!, texts[1]!.slice(3)];
    for (const prompts of [texts, uneven, [...uneven, ...uneven]]) {
      const want = await generate(
        c.arch,
        c.plain,
        prompts.map((t) => [...READ, ...t]),
        { maxTokens: 16 },
      );
      assert.deepEqual(await generate(c.long, c.weights, prompts, { maxTokens: 16 }), want);
    }
    const cache = c.long.cache!(12);
    const first = c.texts[0]!;
    tidy(() => {
      const [a, b] = [first.slice(0, 7), first.slice(7)].map((part) =>
        hiddenStates(c.long, c.weights, toBatch([part], { cache })),
      );
      assert.equal(cache.length, P + 12);
      const whole = hiddenStates(c.long, c.weights, toBatch([first]));
      const close = { rtol: 1e-4, atol: 1e-5 };
      assertClose(cat([a!, b!], { dim: 1 }).toFloats(), whole.toFloats(), close);
    });
    cache.dispose();
    c.close();
  });
}

test("the prompt's gradient is that of the whole graph, written out", () => {
  const c = open("llama");
  requiresGrad(c.prompt);
  tidy(() => {
    // by parts, as a training step runs it
    const targets = c.texts.flatMap((t) => t.slice(1));
    const index = c.texts.flatMap((t, b) => t.slice(1).map((_, i) => b * 12 + i));
    const weights = targets.map(() => 1 / targets.length);
    let own: Tensor | undefined;
    const trainable = {
      weights: c.weights,
      leavesOf: (part: unknown) =>
        part === "embed" ? [{ name: SOFT_PROMPT, tensor: c.prompt }] : [],
      trainedHead: undefined,
    };
    const losses = forwardBackward(
      c.long,
      trainable,
      toBatch(c.texts),
      { index, targets, weights },
      () => nll,
      { onGrad: (_, g) => (own = keep(g)) },
    );
    // at once: embeddings behind the prompt, all blocks, logits, mean loss
    const one = (ids: number[]) => {
      const batch = toBatch([[...READ, ...ids]]);
      const context = c.arch.context(batch, "float32");
      const table = c.plain.get("model.embed_tokens.weight");
      const read = embedding(table, tensor(ids, { dtype: "int64" }));
      let x = unsqueeze(cat([c.prompt, read]), 0);
      for (let i = 0; i < c.arch.layers; i++) x = c.arch.block(c.plain, i, x, context);
      const hidden = narrow(c.arch.final(c.plain, x, context), 1, P, ids.length - 1);
      const logp = logSoftmax(linear(hidden, c.plain.get(c.arch.head)), -1);
      const wanted = tensor(ids.slice(1), { shape: [1, ids.length - 1, 1], dtype: "int64" });
      return reshape(neg(gather(logp, 2, wanted)), [-1]);
    };
    const loss = mean(cat(c.texts.map(one)));
    const [whole] = grad([loss], [c.prompt]);
    const average = losses.reduce((a, b) => a + b, 0) / losses.length;
    assertClose([average], [loss.item()], { rtol: 1e-5 });
    const want = whole!.toFloats();
    const largest = Math.max(...Array.from(want, Math.abs));
    assertClose(own!.toFloats(), want, { rtol: 1e-4, atol: 1e-5 * largest });
    own!.dispose();
  });
  c.close();
});

test("logits of a prompted model are those of its rows; texts too long for both are refused", () => {
  const c = open("gpt_neo");
  tidy(() => {
    const hidden = hiddenStates(c.long, c.weights, toBatch([c.texts[0]!]));
    const logits = logitsOf(c.long, c.weights, reshape(hidden, [12, c.arch.hidden]));
    assert.deepEqual(logits.shape, [12, c.arch.vocab]);
    const many = new Array<number>(c.long.maxPositions + 1).fill(1);
    assert.throws(
      () => hiddenStates(c.long, c.weights, toBatch([many])),
      /soft prompt: expected texts of at most \d+ tokens behind 4 of the prompt/,
    );
  });
  c.close();
  assert.equal(memory().liveTensors, 0);
});
