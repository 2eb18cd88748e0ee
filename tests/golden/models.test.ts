/**
 * @file Every model against transformers (tests/golden/make_models.py): logits, loss, every gradient, greedy tokens,
 * left padding, cache. float32; gradients within rtol 1e-4 of the tensor's largest entry, since sums inside a matrix
 * product run in another order than in the reference.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { generate, MODELS, type Batch } from "../../src/models/index.ts";
import {
  hiddenStates,
  logitsOf,
  plainWeights,
  rowsOf,
  toBatch,
  architectureOf,
  forwardBackward,
  type Architecture,
  type Leaf,
  type LogitLoss,
  type Part,
} from "../../src/models/index.ts";
import { kvCache } from "../../src/nn/index.ts";
import {
  disposeAll,
  exp_,
  full,
  gather,
  keep,
  logSoftmax,
  memory,
  neg,
  noGrad,
  requiresGrad,
  scatterAdd_,
  squeeze,
  tidy,
  type Tensor,
} from "../../src/torch/index.ts";
import { assertClose } from "../close.ts";
import { readGolden } from "./read.ts";

const crossEntropy: LogitLoss = (logits, { targets }) => {
  const logp = logSoftmax(logits, -1);
  const loss = neg(squeeze(gather(logp, 1, targets), 1));
  const p = exp_(logp);
  return {
    loss,
    gradLogits: scatterAdd_(p, 1, targets, full(targets.shape, -1, { dtype: "float32" })),
  };
};

type Case = {
  arch: Architecture;
  params: Map<string, Tensor>;
  ids: number[][];
  golden: Map<string, Tensor>;
};

function openCase(name: string): Case {
  const { tensors, metadata } = readGolden(name);
  const params = new Map<string, Tensor>();
  for (const [key, value] of tensors) if (key.startsWith("param:")) params.set(key.slice(6), value);
  const flat = tensors.get("ids")!.toInts();
  const config = JSON.parse(metadata["config"]!) as Record<string, unknown>;
  return {
    arch: architectureOf(config),
    params,
    ids: [flat.slice(0, 12), flat.slice(12)],
    golden: tensors,
  };
}

const allRows = ({ rows }: Batch): number[] =>
  rows.flatMap((r, b) => r.map((_, t) => b * r.length + t));

function leavesOf({ arch, params }: Case): (part: Part) => Leaf[] {
  return (part) => {
    const linears = arch.linears
      .filter((l) => l.block === part)
      .flatMap((l) => [`${l.name}.weight`, `${l.name}.bias`]);
    const names =
      part === "embed"
        ? arch.parts.embed
        : part === "final"
          ? arch.parts.final
          : [...arch.parts.blocks[part]!, ...linears];
    return names.filter((n) => params.has(n)).map((name) => ({ name, tensor: params.get(name)! }));
  };
}

function gradients(c: Case, recompute: boolean): { loss: number; grads: Map<string, Tensor> } {
  for (const p of c.params.values()) requiresGrad(p);
  const grads = new Map<string, Tensor>();
  const index: number[] = [];
  const targets: number[] = [];
  c.ids.forEach((row, b) =>
    row.slice(1).forEach((id, t) => (index.push(b * 12 + t), targets.push(id))),
  );
  const trainable = {
    weights: plainWeights(c.arch, c.params),
    leavesOf: leavesOf(c),
    trainedHead: c.arch.head,
  };
  const weights = targets.map(() => 1 / targets.length);
  const losses = tidy(() =>
    forwardBackward(
      c.arch,
      trainable,
      toBatch(c.ids),
      { index, targets, weights },
      () => crossEntropy,
      {
        recompute,
        onGrad: (name, g) => grads.set(name, keep(g)),
      },
    ),
  );
  for (const p of c.params.values()) requiresGrad(p, false);
  return { loss: losses.reduce((a, b) => a + b, 0) / losses.length, grads };
}

for (const name of ["llama", "llama3_rope", "gpt_neo"]) {
  test(`${name}: logits and loss are transformers'`, () => {
    const c = openCase(name);
    tidy(() => {
      const batch = toBatch(c.ids);
      const w = plainWeights(c.arch, c.params);
      const logits = noGrad(() =>
        logitsOf(c.arch, w, rowsOf(hiddenStates(c.arch, w, batch), allRows(batch))),
      );
      assertClose(logits.toFloats(), c.golden.get("logits")!.toFloats(), {
        rtol: 1e-5,
        atol: 1e-5,
      });
    });
    disposeAll(c.golden);
  });

  for (const recompute of [false, true]) {
    test(`${name}: loss and every parameter's gradient are transformers'${recompute ? ", recomputing blocks" : ""}`, () => {
      const c = openCase(name);
      const { loss, grads } = gradients(c, recompute);
      assertClose([loss], [c.golden.get("loss")!.item()], { rtol: 1e-5 });
      const expected = [...c.golden.keys()]
        .filter((k) => k.startsWith("grad:"))
        .map((k) => k.slice(5));
      assert.deepEqual([...grads.keys()].sort(), expected.sort());
      for (const key of expected) {
        const want = c.golden.get(`grad:${key}`)!.toFloats();
        const largest = Math.max(...Array.from(want, Math.abs));
        assertClose(grads.get(key)!.toFloats(), want, {
          rtol: 1e-5,
          atol: 1e-5 * largest + 1e-7,
          what: key,
        });
      }
      disposeAll(grads);
      disposeAll(c.golden);
    });
  }

  test(`${name}: 32 greedy tokens are transformers', alone and in a left-padded batch`, async () => {
    const c = openCase(name);
    const w = plainWeights(c.arch, c.params);
    const prompts = c.ids.map((r) => r.slice(0, 6));
    const want = c.golden.get("greedy")!.toInts();
    assert.deepEqual((await generate(c.arch, w, prompts, { maxTokens: 32 })).flat(), want);
    const padded = await generate(c.arch, w, [prompts[0]!, prompts[1]!.slice(3)], {
      maxTokens: 32,
    });
    assert.deepEqual(padded.flat(), c.golden.get("greedy_padded")!.toInts());
    disposeAll(c.golden);
  });

  test(`${name}: prompts that are alike are read once, and each row goes on by itself`, async () => {
    const c = openCase(name);
    const w = plainWeights(c.arch, c.params);
    const [a, b] = [c.ids[0]!.slice(0, 6), c.ids[1]!.slice(3, 6)];
    const [afterA, afterB] = await generate(c.arch, w, [a, b], { maxTokens: 32 });
    const live = memory().liveTensors;
    assert.deepEqual(await generate(c.arch, w, [a, b, a, b, b], { maxTokens: 32 }), [
      afterA,
      afterB,
      afterA,
      afterB,
      afterB,
    ]);
    assert.equal(memory().liveTensors, live);
    const rows = new Array<number[]>(8).fill(b);
    const drawn = await generate(c.arch, w, rows, { maxTokens: 16, temperature: 3, seed: 1 });
    assert.equal(new Set(drawn.map((ids) => ids.join(" "))).size, 8, "eight draws from one prompt");
    disposeAll(c.golden);
  });

  test(`${name}: a cache changes nothing, in one step, in pieces, or token by token`, () => {
    const c = openCase(name);
    const w = plainWeights(c.arch, c.params);
    for (const pieces of [[12], [5, 7], [6, 1, 1, 1, 1, 1, 1]]) {
      const cache = kvCache(12);
      const seen: number[] = [];
      let from = 0;
      for (const size of pieces) {
        tidy(() => {
          const batch = toBatch([c.ids[0]!.slice(from, from + size)], { cache });
          seen.push(
            ...logitsOf(
              c.arch,
              w,
              rowsOf(hiddenStates(c.arch, w, batch), allRows(batch)),
            ).toFloats(),
          );
        });
        from += size;
      }
      assertClose(seen, c.golden.get("logits")!.toFloats().slice(0, seen.length), {
        rtol: 1e-4,
        atol: 1e-5,
      });
      cache.dispose();
    }
    disposeAll(c.golden);
  });
}

test("every model has a golden, and no test leaves a tensor behind", () => {
  assert.deepEqual(Object.keys(MODELS).sort(), ["gpt_neo", "llama"]);
  assert.equal(memory().liveTensors, 0);
});
