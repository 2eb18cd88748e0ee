import assert from "node:assert/strict";
import { test } from "node:test";
import { assertClose } from "../../tests/close.ts";
import { wholeWindow } from "../eval/index.ts";
import {
  add,
  cat,
  gather,
  grad,
  linear,
  logSigmoid,
  logSoftmax,
  memory,
  mul,
  mulScalar,
  noGrad,
  requiresGrad,
  softmax,
  sub,
  sum,
  tensor,
  tidy,
} from "../torch/index.ts";
import { dpo } from "./losses/dpo.ts";
import { kl } from "./losses/kl.ts";
import { LOSSES, LOSS_DEFAULTS, nll } from "./losses/index.ts";
import { drawn, joinedBatch, joinedLoss } from "./companions.ts";

const values = (n: number, seed: number) =>
  Float32Array.from({ length: n }, (_, i) => Math.sin(12.9898 * (i + 1) + seed));

test("kl: loss and gradient are those of KL(p0‖p), 0 where nothing moved", () => {
  tidy(() => {
    const [z, z0] = [
      tensor(values(12, 1), { shape: [3, 4] }),
      tensor(values(12, 2), { shape: [3, 4] }),
    ];
    const leaf = requiresGrad(mulScalar(z, 1));
    const p0 = softmax(z0, -1);
    const written = sum(mul(p0, sub(logSoftmax(z0, -1), logSoftmax(leaf, -1))));
    const [want] = grad([written], [leaf]);
    const chunk = {
      from: 0,
      count: 3,
      targets: tensor([0, 1, 2], { shape: [3, 1], dtype: "int64" }),
    };
    const got = noGrad(() => kl({ logits: () => z0 })(mulScalar(z, 1), chunk));
    assertClose(got.gradLogits.toFloats(), want!.toFloats(), { atol: 1e-6 });
    assertClose([sum(got.loss).item()], [written.item()], { rtol: 1e-5 });
    const still = noGrad(() => kl({ logits: () => z0 })(mulScalar(z0, 1), chunk));
    assertClose(still.loss.toFloats(), [0, 0, 0], { atol: 1e-6 });
  });
  assert.equal(memory().liveTensors, 0);
});

test("a chunk with rows of both losses gives each row its own", () => {
  tidy(() => {
    const z = tensor(values(20, 3), { shape: [5, 4] });
    const targets = tensor([0, 1, 2, 3, 0], { shape: [5, 1], dtype: "int64" });
    const erasing = () => LOSSES.ga.of(undefined as never, LOSS_DEFAULTS);
    for (const own of [0, 2, 5]) {
      const joined = joinedLoss(erasing, own, () => nll)(z);
      const got = joined(mulScalar(z, 1), { from: 0, count: 5, targets });
      const plain = nll(mulScalar(z, 1), { from: 0, count: 5, targets });
      const sign = Array.from({ length: 5 }, (_, i) => (i < own ? -1 : 1));
      assertClose(
        got.loss.toFloats(),
        plain.loss.toFloats().map((v, i) => v * sign[i]!),
      );
      const signs = cat(sign.map((s) => tensor([s], { shape: [1, 1] })));
      assertClose(got.gradLogits.toFloats(), mul(plain.gradLogits, signs).toFloats());
    }
  });
});

test("retain text joins in one order that batches of any size go on with: none waits longer than another", () => {
  const windows = Array.from({ length: 48 }, (_, i) => wholeWindow([i, 1, 2], i));
  const draw = drawn(
    windows,
    windows.map((w) => w.scored),
    0,
    () => nll,
  );
  let shown = 0;
  const times = new Array<number>(48).fill(0);
  for (const size of [8, 4, 8, 4, 8, 4, 8, 4, 12, 4, 8, 8, 8, 8]) {
    const joining = draw(shown, new Array<number>(size).fill(0));
    for (const w of joining.windows) times[w.text]!++;
    shown += size;
  }
  assert.deepEqual(times, new Array(48).fill(2));
});

test("each loss is a mean over its own rows, the retain term times α", () => {
  const erase = wholeWindow([1, 2, 3, 4, 5], 0); // 4 rows
  const keep = [wholeWindow([6, 7, 8], 0), wholeWindow([6, 8, 7], 1)]; // 2 rows each
  const joining = { windows: keep, tokens: keep.map((w) => w.scored) };
  const { training, own } = joinedBatch([erase], [erase.scored], joining, 0.5);
  assert.equal(own, 4);
  assert.deepEqual(training.rows.weights, [0.25, 0.25, 0.25, 0.25, 0.125, 0.125, 0.125, 0.125]);
  assert.deepEqual(training.rows.targets, [2, 3, 4, 5, 7, 8, 8, 7]);
});

test("dpo: loss and gradient of a pair are those of its formula, by autograd", () => {
  tidy(() => {
    // two pairs: sequences 0, 1 are texts, 2, 3 their alternatives, two rows each
    const sequence = [0, 0, 1, 1, 2, 2, 3, 3];
    const targets = [0, 1, 2, 3, 3, 2, 1, 0];
    const rows = tensor(values(24, 5), { shape: [8, 3] });
    const head = tensor(values(12, 6), { shape: [4, 3] });
    const logProbability = [...values(8, 7)].map((v) => v - 2);
    const leaf = requiresGrad(linear(rows, head));
    const own = tensor(targets, { shape: [8, 1], dtype: "int64" });
    const gap = sub(
      gather(logSoftmax(leaf, -1), 1, own),
      tensor(logProbability, { shape: [8, 1] }),
    );
    const ratio = (s: number) =>
      sum(
        mul(
          gap,
          tensor(
            sequence.map((x) => Number(x === s)),
            { shape: [8, 1] },
          ),
        ),
      );
    const beta = 0.3;
    const pair = (i: number) =>
      mulScalar(logSigmoid(mulScalar(sub(ratio(i + 2), ratio(i)), beta)), -2 / beta);
    const written = mulScalar(add(pair(0), pair(1)), 1 / 2);
    const [want] = grad([written], [leaf]);
    const loss = noGrad(() => dpo({ head, targets, sequence, logProbability }, { beta })(rows));
    const got = noGrad(() => loss(linear(rows, head), { from: 0, count: 8, targets: own }));
    assertClose([sum(got.loss).item() / 8], [written.item()], { rtol: 1e-5 });
    assertClose(mulScalar(got.gradLogits, 1 / 8).toFloats(), want!.toFloats(), { atol: 1e-6 });
  });
});
