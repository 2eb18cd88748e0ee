import assert from "node:assert/strict";
import { test } from "node:test";
import { assertClose } from "../../tests/close.ts";
import { noise } from "../../tests/tiny.ts";
import { argmax, memory, mulScalar, softmax, tensor, tidy, type Tensor } from "../torch/index.ts";
import { contrastedLogits, dpLogits } from "./rules.ts";

const row = (...values: number[]): Tensor => tensor(values, { shape: [1, values.length] });
const p = (logits: Tensor): number[] => [...softmax(logits, -1).toFloats()];

test("dp_decoding: p' = λ p + (1-λ)/V, on numbers", () => {
  tidy(() => {
    const z = row(Math.log(7), 0, 0, 0); // p = .7, .1, .1, .1
    // λ = 1/2: .5·.7 + .5/4 = .475, .5·.1 + .5/4 = .175
    assertClose(p(dpLogits(z, Math.log(2))), [0.475, 0.175, 0.175, 0.175], { rtol: 1e-6 });
    // λ = 1/4: .25·.7 + .75/4 = .3625, .2125
    assertClose(p(dpLogits(z, Math.log(4))), [0.3625, 0.2125, 0.2125, 0.2125], { rtol: 1e-6 });
    assert.equal(dpLogits(z, 0), z); // λ = 1: θ0 itself
    // a certain token loses its strength in nats: ln p' = ln λ up to (1-λ)/V
    const sure = tensor([40, ...new Array<number>(999).fill(0)], { shape: [1, 1000] });
    assertClose([Math.log(p(dpLogits(sure, 2))[0]!)], [-2], { atol: 0.01 });
  });
});

test("dp_decoding is no temperature: λ z + (1-λ) mean z is, and gives other likelihoods", () => {
  tidy(() => {
    const z = row(Math.log(7), 0, 0, 0);
    const mean = Math.log(7) / 4;
    const mixed = row((Math.log(7) + mean) / 2, mean / 2, mean / 2, mean / 2);
    assertClose(p(mixed), p(mulScalar(z, 0.5)), { rtol: 1e-6 });
    // √7 / (√7 + 3) = .4686: below .475 for the likely token
    assertClose([p(mixed)[0]!], [Math.sqrt(7) / (Math.sqrt(7) + 3)], { rtol: 1e-6 });
    assert.ok(p(dpLogits(z, Math.log(2)))[0]! - p(mixed)[0]! > 0.006);
  });
});

test("dp_decoding never changes which token comes first: greedy decoding recites on", () => {
  tidy(() => {
    const logits = tensor(noise("dp", 64 * 50, 3), { shape: [64, 50] });
    const first = argmax(logits, { dim: -1 }).toInts();
    for (const s of [0.1, 1, 5]) {
      assert.deepEqual(argmax(dpLogits(logits, s), { dim: -1 }).toInts(), first);
    }
  });
});

test("contrastive_decoding lowers what the reinforced model raises, on numbers", () => {
  tidy(() => {
    const z = row(2, 1, 0); // recited: the first
    const reinforced = row(5, 1, -1); // raised by 3, as it was, pushed down by 1
    assertClose(contrastedLogits(z, reinforced, 0.5).toFloats(), [0.5, 1, 0]); // 2 - .5·3
    assert.equal(contrastedLogits(z, reinforced, 0), z);
    // the likelihood of the recited token falls with c, that of every other rises
    const course = [0, 0.25, 0.5, 1].map((c) => p(contrastedLogits(z, reinforced, c)));
    for (let i = 1; i < course.length; i++) {
      assert.ok(course[i]![0]! < course[i - 1]![0]! && course[i]![1]! > course[i - 1]![1]!);
      assert.ok(course[i]![2]! > course[i - 1]![2]!);
    }
    // the other sign, c relu(z - z_m), takes from the alternatives: 0 - .5·1; the recited token gains
    assert.ok(p(row(2, 1, -0.5))[0]! > p(z)[0]!);
  });
});

test("where both models say the same the contrast is idle; no tensor is left", () => {
  tidy(() => {
    const z = row(0.3, -2, 5);
    assertClose(contrastedLogits(z, row(0.3, -2, 5), 7).toFloats(), z.toFloats());
  });
  assert.equal(memory().liveTensors, 0);
});
