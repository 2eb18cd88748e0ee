/** @file Steps in a twin, against weights rounded or taught by hand and stored: which step, of what weights, on which texts. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assertClose } from "../../tests/close.ts";
import { noise, sentences } from "../../tests/tiny.ts";
import { wholeWindow, type Window } from "../eval/index.ts";
import {
  architectureOf,
  forwardBackward,
  hiddenStates,
  plainWeights,
  toBatch,
  type Parameters,
  type Weights,
} from "../models/index.ts";
import {
  add_,
  disposeAll,
  full,
  keep,
  memory,
  mulScalar_,
  noGrad,
  sign,
  tensor,
  tidy,
} from "../torch/index.ts";
import { nll } from "./losses/index.ts";
import { optimiser } from "./optimiser.ts";
import { roundedParameters, type Rounding } from "./rounding.ts";
import { trainedTokens, trainingBatch, type TrainingBatch } from "./rows.ts";
import { eligibleParameters } from "./scope.ts";
import { gradientSteps } from "./step.ts";
import { TWIN_EVERY, twinSteps } from "./twin.ts";
import { factorsWriter } from "./writers/factors.ts";
import type { Writer } from "./writers/types.ts";
import { denseWriter } from "./writers/weights.ts";

/** Layers with biases, norms that are trained too. */
const arch = architectureOf({
  model_type: "gpt_neo",
  hidden_size: 32,
  num_layers: 2,
  num_heads: 4,
  vocab_size: 258,
  max_position_embeddings: 64,
});
let params: Parameters;
let windows: Window[];
before(() => {
  params = new Map(
    [...arch.shapes].map(([name, shape]) => {
      const size = shape.reduce((a, b) => a * b, 1);
      const values = noise(name, size, 0.15).map((x) => (/ln_.*weight$/.test(name) ? 1 + x : x));
      return [name, tidy(() => keep(tensor([...values], { shape })))] as const;
    }),
  );
  windows = sentences("twin", 6, 24).map((s, i) => wholeWindow([...Buffer.from(s)], i));
});
after(() => disposeAll(params));

const batchOf = (members: readonly number[]): TrainingBatch =>
  trainingBatch(
    members.map((m) => windows[m]!),
    members.map((m) => trainedTokens(windows[m]!, "all")),
  );

const WRITERS: Record<string, () => Writer> = {
  weights: () => denseWriter(arch, params, eligibleParameters(arch, "no-embeddings")),
  factors: () => {
    const [one, two] = [arch.linears[0]!, arch.linears.at(-1)!];
    const directions = [one, two].map(
      (l) => [l.name, tidy(() => keep(full([l.inFeatures, 2], 0.3)))] as const,
    );
    return factorsWriter(arch, params, new Map(directions));
  },
};

const hidden = (weights: Weights): number[] =>
  noGrad(() =>
    tidy(() => [...hiddenStates(arch, weights, toBatch(windows.map((w) => w.ids))).toFloats()]),
  );

const sgd = () => optimiser({ name: "sgd" });

for (const [kind, make] of Object.entries(WRITERS)) {
  test(`what is written to ${kind} acts beside other weights as it does beside its own`, () => {
    const live = memory().liveTensors;
    const [writer, adam] = [make(), sgd()];
    const step = gradientSteps(arch, writer, adam);
    for (const at of [0, 1]) {
      tidy(() => step(batchOf([0, 1]), () => nll, { lr: 0.1, step: at, members: [0, 1] }));
    }
    const own = hidden(writer.trainable.weights);
    assert.ok(Math.max(...hidden(plainWeights(arch, params)).map((x, i) => x - own[i]!)) > 1e-3);
    const beside = hidden(writer.beside!(plainWeights(arch, params)));
    assertClose(beside, own, { rtol: 1e-4, atol: 1e-5 });
    writer.dispose();
    assert.equal(memory().liveTensors, live);
  });
}

type Run = { rounding: Rounding; relearning: number; taught?: number; members?: number[] };

/** Losses of as many steps of SGD. */
function losses(steps: number, make: () => Writer, o: Run): number[] {
  const { members = [0, 1, 2], taught = 2, ...twin } = o;
  return tidy(() => {
    const writer = make();
    const parts = { arch, params, writer, beside: writer.beside!, optimiser: sgd(), windows };
    const { step, dispose } = twinSteps({ ...parts, ...twin, taught, seed: 1 });
    const out = Array.from(
      { length: steps },
      (_, n) => step(batchOf(members), () => nll, { lr: 1e-2, step: n, members }).loss,
    );
    dispose();
    writer.dispose();
    return out;
  });
}

/** The loss of a batch under parameters as they are stored. */
const lossUnder = (stored: Parameters, members: readonly number[]): number =>
  tidy(() => {
    const { batch, rows } = batchOf(members);
    const writer = denseWriter(arch, stored, []);
    const perRow = forwardBackward(arch, writer.trainable, batch, rows, () => nll, {
      onGrad: () => undefined,
    });
    return perRow.reduce((sum, l, i) => sum + l * rows.weights[i]!, 0);
  });

const NONE = { rounding: "none", relearning: 0 } as const;

test("every fourth step is rounding's, every second relearning's; the others are the weights' own", () => {
  const live = memory().liveTensors;
  for (const [twin, every] of [
    [{ ...NONE, rounding: "4" }, TWIN_EVERY.rounded],
    [{ ...NONE, relearning: 1e-3 }, TWIN_EVERY.relearned],
  ] as const) {
    const [turned, own] = [
      losses(every, WRITERS["weights"]!, twin),
      losses(every, WRITERS["weights"]!, NONE),
    ];
    assert.deepEqual(turned.slice(0, -1), own.slice(0, -1));
    assert.notEqual(turned.at(-1), own.at(-1));
  }
  assert.equal(memory().liveTensors, live);
});

/** W - ρ sign(dL/dW) for each linear weight, L the nll of `taught`. */
function taughtParameters(from: Parameters, taught: readonly number[], rho: number): Parameters {
  const out = new Map(from);
  const linear = eligibleParameters(arch, "linear").filter((e) => e.name.endsWith(".weight"));
  const writer = denseWriter(arch, from, linear);
  const { batch, rows } = batchOf(taught);
  forwardBackward(arch, writer.trainable, batch, rows, () => nll, {
    onGrad: (name, g) =>
      noGrad(() => void out.set(name, keep(add_(mulScalar_(sign(g), -rho), from.get(name)!)))),
  });
  writer.dispose();
  return out;
}

test("relearning: weights stand ρ along the sign towards texts that the step does not train", () => {
  // of windows 0 to 5 the step trains four: the two others are taught, whatever the draw
  const members = [0, 1, 2, 3];
  for (const rounding of ["none", "4"] as const) {
    tidy(() => {
      const stored = rounding === "none" ? params : roundedParameters(arch, params, 4).params;
      const want = lossUnder(taughtParameters(stored, [4, 5], 1e-2), members);
      const still = { lr: 0, step: 1, members };
      const writer = WRITERS["factors"]!();
      const parts = { arch, params, writer, beside: writer.beside!, optimiser: sgd(), windows };
      const twin = twinSteps({ ...parts, rounding, relearning: 1e-2, taught: 2, seed: 1 });
      const got = twin.step(batchOf(members), () => nll, still).loss;
      assertClose([got], [want], { rtol: 1e-5, what: rounding });
      assert.ok(Math.abs(want - lossUnder(stored, members)) > 1e-2);
      twin.dispose();
      writer.dispose();
    });
  }
});

test("relearning: where a step trains all texts, half of them are taught instead and carry no loss", () => {
  const members = [0, 1, 2, 3, 4, 5];
  const halves = members.flatMap((a) =>
    members.flatMap((b) => members.filter((c) => a < b && b < c).map((c) => [a, b, c])),
  );
  tidy(() => {
    const writer = WRITERS["factors"]!();
    const parts = { arch, params, writer, beside: writer.beside!, optimiser: sgd(), windows };
    const twin = twinSteps({ ...parts, rounding: "none", relearning: 1e-2, taught: 9, seed: 1 });
    const got = twin.step(batchOf(members), () => nll, { lr: 0, step: 1, members }).loss;
    const possible = halves.map((taught) =>
      lossUnder(
        taughtParameters(params, taught, 1e-2),
        members.filter((m) => !taught.includes(m)),
      ),
    );
    const closest = Math.min(...possible.map((x) => Math.abs(x - got)));
    assert.ok(closest < 1e-5 * got, `${got} of ${possible.join()}`);
    twin.dispose();
    writer.dispose();
  });
});

test("relearning: a single text leaves none to teach; text that joins a batch keeps its weight", () => {
  const alone = losses(2, WRITERS["weights"]!, { ...NONE, relearning: 1e-2, members: [0] });
  assert.ok(alone.every(Number.isFinite));
  tidy(() => {
    const { batch, rows, sequence } = batchOf([0, 1, 5]);
    const own = sequence.indexOf(2); // rows of the first two
    const weights = sequence.map((b) => (b === 2 ? 1 / (sequence.length - own) : 1 / own));
    const training = { batch, rows: { ...rows, weights }, sequence };
    const writer = WRITERS["factors"]!();
    const two = windows.slice(0, 2); // the step trains both
    const parts = { arch, params, writer, beside: writer.beside!, optimiser: sgd(), windows: two };
    const twin = twinSteps({ ...parts, rounding: "none", relearning: 1e-2, taught: 1, seed: 1 });
    const got = twin.step(training, () => nll, { lr: 0, step: 1, members: [0, 1] }).loss;
    const possible = [0, 1].map((t) => {
      const stored = taughtParameters(params, [t], 1e-2);
      return lossUnder(stored, [1 - t]) + lossUnder(stored, [5]);
    });
    const closest = Math.min(...possible.map((x) => Math.abs(x - got)));
    assert.ok(closest < 1e-5 * got, `${got} of ${possible.join()}`);
    twin.dispose();
    writer.dispose();
  });
});

test("a relearnt step depends on its number and the variables alone: begun in the middle it is the same", () => {
  const run = (parts: readonly (readonly number[])[]): number[] =>
    tidy(() => {
      const writer = WRITERS["weights"]!();
      const out = parts.flatMap((steps) => {
        const inputs = { arch, params, writer, beside: writer.beside!, optimiser: sgd(), windows };
        const twin = twinSteps({ ...inputs, rounding: "4", relearning: 1e-3, taught: 2, seed: 1 });
        const each = steps.map((step) =>
          twin.step(batchOf([0, 1]), () => nll, { lr: 1e-2, step, members: [0, 1] }),
        );
        twin.dispose();
        return each.map((s) => s.loss);
      });
      writer.dispose();
      return out;
    });
  assert.deepEqual(
    run([
      [0, 1, 2],
      [3, 4],
    ]),
    run([[0, 1, 2, 3, 4]]),
  );
});
