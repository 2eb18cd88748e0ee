/**
 * @file Two models side by side are the two of them alone: rows, padding, caches; and a rule over both draws token by token what a
 * whole pass over what was drawn would.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  architectureOf,
  contrastedHead,
  contrastedLogits,
  generate,
  hiddenStates,
  logitsOf,
  paired,
  plainWeights,
  rowsOf,
  toBatch,
  type Weights,
} from "../../src/models/index.ts";
import {
  argmax,
  disposeAll,
  keep,
  memory,
  mulScalar,
  narrow,
  tidy,
} from "../../src/torch/index.ts";
import { assertClose } from "../close.ts";
import { readGolden } from "./read.ts";

function open(name: string) {
  const { tensors, metadata } = readGolden(name);
  const params = new Map([...tensors].map(([key, t]) => [key.replace(/^param:/, ""), t]));
  const arch = architectureOf(JSON.parse(metadata["config"]!) as Record<string, unknown>);
  const plain = plainWeights(arch, params);
  const others = new Map(
    [...arch.shapes.keys()].map((n) => [n, tidy(() => keep(mulScalar(params.get(n)!, 1.1)))]),
  );
  const beside = plainWeights(arch, others);
  const flat = tensors.get("ids")!.toInts();
  const texts = [flat.slice(0, 12), flat.slice(12, 21)];
  const close = () => disposeAll([tensors, others]);
  const both = paired(arch, beside);
  const under = (c: number): Weights => ({
    ...plain,
    logits: contrastedHead(arch, plain, beside, () => c),
  });
  return { arch, plain, beside, both, under, texts, close };
}

for (const name of ["llama", "gpt_neo"]) {
  test(`${name}: side by side, each model says what it says alone`, () => {
    const { arch, plain, beside, both, texts, close } = open(name);
    tidy(() => {
      for (const side of ["right", "left"] as const) {
        const batch = toBatch(texts, { side });
        const hidden = hiddenStates(both, plain, batch);
        assert.deepEqual(hidden.shape, [2, 12, 2 * arch.hidden]);
        [plain, beside].forEach((w, i) => {
          const half = narrow(hidden, 2, i * arch.hidden, arch.hidden).toFloats();
          assertClose(half, hiddenStates(arch, w, batch).toFloats(), { rtol: 1e-5, atol: 1e-6 });
        });
      }
    });
    close();
  });

  test(`${name}: strength 0 is the first model; above it, decoding draws what a whole pass says`, async () => {
    const { arch, plain, beside, both, under, texts, close } = open(name);
    const prompts = [texts[0]!.slice(0, 6), texts[1]!.slice(0, 3)];
    const alone = await generate(arch, plain, prompts, { maxTokens: 12 });
    assert.deepEqual(await generate(both, under(0), prompts, { maxTokens: 12 }), alone);
    const drawn = await generate(both, under(40), prompts, { maxTokens: 12 });
    assert.notDeepEqual(drawn, alone);
    const thrice = await generate(both, under(40), [...prompts, prompts[0]!], { maxTokens: 12 });
    assert.deepEqual(thrice, [...drawn, drawn[0]], "prompts that are alike, read once by both");
    tidy(() => {
      prompts.forEach((prompt, i) => {
        const batch = toBatch([[...prompt, ...drawn[i]!.slice(0, -1)]]);
        const rows = drawn[i]!.map((_, t) => prompt.length - 1 + t);
        const logits = (w: Weights) =>
          logitsOf(arch, w, rowsOf(hiddenStates(arch, w, batch), rows));
        const z = contrastedLogits(logits(plain), logits(beside), 40);
        assert.deepEqual(argmax(z, { dim: -1 }).toInts(), drawn[i]);
      });
    });
    close();
  });
}

test("no tensor is left", () => assert.equal(memory().liveTensors, 0));
