import assert from "node:assert/strict";
import { test } from "node:test";
import { assertClose } from "../../tests/close.ts";
import { memory, tensor, tidy } from "../torch/index.ts";
import { nextDual, parseConstraint, rise } from "./constraint.ts";

test("a constraint is a kind and a bound, or none", () => {
  assert.deepEqual(parseConstraint("kl=0.05"), { kind: "kl", bound: 0.05 });
  assert.deepEqual(parseConstraint("nll=.5"), { kind: "nll", bound: 0.5 });
  assert.equal(parseConstraint("none"), undefined);
  for (const text of ["kl", "kl=", "ppl=2", "kl=-1", "kl=1 "]) {
    assert.throws(
      () => parseConstraint(text),
      /--constraint: expected kl=0\.05, nll=0\.05 or none/,
    );
  }
});

test("λ rises by η times what is above the bound, falls below it, and ends at 0", () => {
  assert.ok(Math.abs(nextDual(1, 0.25, 0.05, 10) - 3) < 1e-12);
  assert.ok(Math.abs(nextDual(3, 0, 0.05, 10) - 2.5) < 1e-12);
  assert.equal(nextDual(0.25, 0, 0.05, 10), 0);
  assert.equal(nextDual(0, 9, 0.05, 0), 0);
});

test("the rise of the likelihood loss, and its gradient, by hand", () => {
  tidy(() => {
    // p = 1/4, 3/4 of the first token; θ0 gave it 1/2: ln(1/2) - ln(1/4) = ln 2, and ln(1/2) - ln(3/4) = ln(2/3)
    const logits = tensor([0, Math.log(3), Math.log(3), 0], { shape: [2, 2] });
    const chunk = { from: 1, count: 2, targets: tensor([0, 0], { shape: [2, 1], dtype: "int64" }) };
    const logProbability = [99, Math.log(0.5), Math.log(0.5)];
    const { loss, gradLogits } = rise({ logProbability })(logits, chunk);
    assertClose(loss.toFloats(), [Math.LN2, Math.log(2 / 3)], { rtol: 1e-6 });
    assertClose(gradLogits.toFloats(), [-0.75, 0.75, -0.25, 0.25], { rtol: 1e-6 });
  });
  assert.equal(memory().liveTensors, 0);
});
