import assert from "node:assert/strict";
import { test } from "node:test";
import { randomIntegers } from "../../base/random.ts";
import { assertClose } from "../../../tests/close.ts";
import {
  cholesky,
  disposeAll,
  eigh,
  eye,
  add,
  matmul,
  memory,
  mulScalar,
  randn,
  resetPeak,
  solveTriangular,
  t,
  tensor,
  tidy,
  type Tensor,
} from "../../torch/index.ts";
import type { Window } from "../../eval/windows.ts";
import { selectByScore } from "./by-score.ts";
import { groupedDirections, groupsOf } from "./directions.ts";
import { leadingDirections, unwhiten, whitener } from "./subspace.ts";
import { kthLargest, topIndices } from "./top-k.ts";

const values = (name: string, count: number) =>
  randomIntegers(name, 41, count).map((v) => (v - 20) / 7); // many ties, both signs

test("the k-th largest is that of a sort, for every k", () => {
  tidy(() => {
    const [a, b] = [values("a", 13), values("b", 8)];
    const sorted = [...a, ...b].map(Math.fround).sort((x, y) => y - x);
    for (let k = 1; k <= 21; k++) {
      assert.equal(kthLargest([tensor(a), tensor(b)], k), sorted[k - 1]);
    }
  });
});

test("top-k takes exactly k, the larger first, ties by tensor and index", () => {
  const scores = new Map([
    ["first", tensor([3, 1, 3, 0])],
    ["second", tensor([3, 2, 1, 3])],
  ]);
  const found = topIndices(scores, 4);
  assert.deepEqual(
    [...found].map(([name, index]) => [name, index.toInts()]),
    [
      ["first", [0, 2]],
      ["second", [0, 3]],
    ],
  );
  disposeAll(found);
  const three = topIndices(scores, 3); // four values tie for three places
  assert.deepEqual(
    [...three].map(([, index]) => index.toInts()),
    [[0, 2], [0]],
  );
  disposeAll(three);
  disposeAll(scores);
});

test("a share can be taken over all, per tensor, or by whole rows", () => {
  const make = () =>
    new Map([
      ["a", tensor([9, 8, 7, 6], { shape: [2, 2] })],
      ["b", tensor([5, 4, 3, 2], { shape: [2, 2] })],
    ]);
  const picked = (per: "global" | "tensor" | "row") => {
    const found = selectByScore(make(), { fraction: 0.5, per });
    const rows = [...found].map(([name, index]) => [name, index!.toInts()]);
    disposeAll(found);
    return rows;
  };
  assert.deepEqual(picked("global"), [
    ["a", [0, 1, 2, 3]],
    ["b", []],
  ]);
  assert.deepEqual(picked("tensor"), [
    ["a", [0, 1]],
    ["b", [0, 1]],
  ]);
  assert.deepEqual(picked("row"), [
    ["a", [0, 1, 2, 3]],
    ["b", []],
  ]);
});

/** A positive definite matrix with distinct eigenvalues. */
const definite = (name: string, d: number): Tensor => {
  const x = tensor(values(name, d * d), { shape: [d, d] });
  return add(matmul(x, t(x)), mulScalar(eye(d, { dtype: "float32" }), 0.5));
};

test("leading directions are the eigenvectors of L⁻¹ M L⁻ᵀ, and U gives RMS 1 on the forget set", () => {
  tidy(() => {
    const [ordinary, forget] = [definite("ordinary", 12), definite("forget", 12)];
    const l = whitener(ordinary, 0.02);
    const { vectors, values: top } = leadingDirections(l, (x) => matmul(forget, x), 3);
    const inner = solveTriangular(l, t(solveTriangular(l, forget, false)), false); // L⁻¹ M L⁻ᵀ
    const [all] = eigh(inner);
    assertClose(top.toFloats(), [...all.toFloats()].reverse().slice(0, 3), { rtol: 1e-3 });
    const u = unwhiten(l, vectors);
    const energy = matmul(t(u), matmul(forget, u)); // diag(e)
    assertClose(
      [0, 1, 2].map((i) => energy.toFloats()[4 * i]!),
      top.toFloats(),
      { rtol: 1e-3 },
    );
  });
});

test("what all groups excite alike is left alone: diagonal moments by hand", () => {
  const diag = (...x: number[]) =>
    tensor(
      x.flatMap((v, i) => x.map((_, j) => (i === j ? v : 0))),
      { shape: [x.length, x.length] },
    );
  tidy(() => {
    const ordinary = diag(1, 1, 1);
    const [first, second] = [diag(4, 2, 0), diag(0, 2, 3)]; // the second input is excited by both
    const squares = (u: Tensor) => [...u.toFloats()].map((x) => x * x);
    const joint = groupedDirections(ordinary, [diag(2, 2.2, 1.5)], 2, 0);
    assertClose(squares(joint), [0, 1 / 2, 1 / 2.2, 0, 0, 0], { rtol: 1e-4, atol: 1e-5 }); // (d, r)
    // 4 / (1 + 0) and 3 / (1 + 0) come before 2 / (1 + 2); RMS 1 on each one's own group
    const apart = groupedDirections(ordinary, [first, second], 2, 0);
    assertClose(squares(apart), [1 / 4, 0, 0, 0, 0, 1 / 3], { rtol: 1e-4, atol: 1e-5 });
    assert.deepEqual(groupedDirections(ordinary, [first, second, first], 7, 0).shape, [3, 3]);
    const many = [first, second, first, second]; // one of them without a direction
    assert.deepEqual(groupedDirections(ordinary, many, 7, 0).shape, [3, 3]);
    // e = 4, 1 and 0: a short text excites fewer directions than are asked for, and the rest are not blown up to RMS 1
    const short = groupedDirections(ordinary, [diag(4, 1, 0)], 3, 0);
    const want = [1 / 4, 0, 0, 0, 1, 0, 0, 0, 1 / 4e-4];
    assertClose(squares(short), want, { rtol: 1e-3, atol: 1e-3 });
  });
});

test("the directions of more groups take memory for their columns, not for each pair of groups", () => {
  const [d, rank] = [64, 16];
  const peakOf = (count: number) =>
    tidy(() => {
      const ordinary = eye(d);
      const groups = Array.from({ length: count }, () => {
        const x = randn([d, d]);
        return matmul(x, t(x));
      });
      resetPeak();
      const before = memory().liveBytes;
      groupedDirections(ordinary, groups, rank, 0.02);
      return memory().peakBytes - before;
    });
  peakOf(2);
  assert.ok(peakOf(16) < 2 * peakOf(4), `${peakOf(16)} and ${peakOf(4)} bytes`);
});

test("groups are of whole texts, as even as they go, and not more than there are texts", () => {
  const windows = [7, 7, 8, 9, 9, 9, 12].map((text, i): Window => {
    return { text, ids: [i], suffixStart: 1, scored: [] };
  });
  assert.deepEqual(groupsOf(windows, 1), [[[0], [1], [2], [3], [4], [5], [6]]]);
  assert.deepEqual(groupsOf(windows, 2), [
    [[0], [1], [2]],
    [[3], [4], [5], [6]],
  ]);
  assert.deepEqual(groupsOf(windows, 9), [[[0], [1]], [[2]], [[3], [4], [5]], [[6]]]);
});

test("the whitener is the Cholesky factor of A + λ·mean(diag A)·I", () => {
  tidy(() => {
    const a = tensor([4, 0, 0, 2], { shape: [2, 2] });
    const want = cholesky(tensor([4.3, 0, 0, 2.3], { shape: [2, 2] })); // mean of the diagonal 3, λ = .1
    assertClose(whitener(a, 0.1).toFloats(), want.toFloats(), { rtol: 1e-5 });
  });
});
