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
  windows = sentences("twin", 7, 24).map((s, i) => wholeWindow([...Buffer.from(s)], i));
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

/** Four times W - (ρ/4) sign(dL/dW) for each linear weight, L the nll of a text. */
function taughtParameters(from: Parameters, text: number, rho: number): Parameters {
  const out = new Map(from);
  const linear = eligibleParameters(arch, "linear").filter((e) => e.name.endsWith(".weight"));
  for (let i = 0; i < 4; i++) {
    const writer = denseWriter(arch, out, linear);
    const { batch, rows } = batchOf([text]);
    forwardBackward(arch, writer.trainable, batch, rows, () => nll, {
      onGrad: (name, g) =>
        noGrad(() => void out.set(name, keep(add_(mulScalar_(sign(g), -rho / 4), out.get(name)!)))),
    });
    writer.dispose();
  }
  return out;
}

type Run = { rounding: Rounding; relearning: number; seed?: number };

/** Steps of SGD on windows 0 to 3, of the seven in which one is taught at a time: their losses. */
function losses(make: () => Writer, o: Run, steps: readonly number[], lr = 1e-2): number[] {
  const members = [0, 1, 2, 3];
  return tidy(() => {
    const writer = make();
    const parts = { arch, params, writer, beside: writer.beside!, optimiser: sgd(), windows };
    const { step, begin, dispose } = twinSteps({ ...parts, seed: 1, ...o, taught: 8 });
    begin(2);
    const take = (n: number) => step(batchOf(members), () => nll, { lr, step: n, members }).loss;
    const out = steps.map(take);
    dispose();
    writer.dispose();
    return out;
  });
}

const NONE = { rounding: "none", relearning: 0 } as const;

test("every fourth step is rounding's, every second relearning's; the others are the weights' own", () => {
  const live = memory().liveTensors;
  const make = WRITERS["weights"]!;
  for (const [twin, every] of [
    [{ ...NONE, rounding: "4" }, TWIN_EVERY.rounded],
    [{ ...NONE, relearning: 1e-2 }, TWIN_EVERY.relearned],
  ] as const) {
    const steps = Array.from({ length: every }, (_, n) => n);
    const [turned, own] = [losses(make, twin, steps), losses(make, NONE, steps)];
    assert.deepEqual(turned.slice(0, -1), own.slice(0, -1));
    assert.notEqual(turned.at(-1), own.at(-1));
  }
  assert.equal(memory().liveTensors, live);
});

test("rounding: the twin's step runs in the weights as stored in so many bits", () => {
  tidy(() => {
    for (const bits of [4, 8] as const) {
      const stored = roundedParameters(arch, params, bits).params;
      const twin = { rounding: String(bits) as "4" | "8", relearning: 0 };
      const got = losses(WRITERS["factors"]!, twin, [TWIN_EVERY.rounded - 1], 0);
      assertClose(got, [lossUnder(stored, [0, 1, 2, 3])], { rtol: 1e-5 });
    }
  });
});

test("relearning: weights stand on the way to reciting a text, which the step does not train", () => {
  const members = [0, 1, 2, 3];
  for (const rounding of ["none", "4"] as const) {
    const taught = new Set<number>();
    tidy(() => {
      const stored = rounding === "none" ? params : roundedParameters(arch, params, 4).params;
      const possible = [...windows.keys()].map((t) =>
        lossUnder(
          taughtParameters(stored, t, 2e-2),
          members.filter((m) => m !== t),
        ),
      );
      for (const seed of [1, 2, 3, 4, 5, 6]) {
        const twin = { rounding, relearning: 2e-2, seed };
        const [got] = losses(WRITERS["factors"]!, twin, [1], 0);
        const off = possible.map((x) => Math.abs(x - got!) / got!);
        const found = off.indexOf(Math.min(...off));
        assert.ok(off[found]! < 1e-5, `${got} of ${possible.join()}`);
        taught.add(found);
      }
    });
    assert.ok(taught.size > 2, [...taught].join()); // another seed, another text
  }
});

test("relearning: text that joins a batch keeps its weight; nothing is taught in the first epoch", () => {
  tidy(() => {
    const { batch, rows, sequence } = batchOf([0, 1, 6]);
    const own = sequence.indexOf(2); // rows of the first two
    const weights = sequence.map((b) => (b === 2 ? 1 / (sequence.length - own) : 1 / own));
    const training = { batch, rows: { ...rows, weights }, sequence };
    const writer = WRITERS["factors"]!();
    const parts = { arch, params, writer, beside: writer.beside!, optimiser: sgd(), windows };
    const twin = twinSteps({ ...parts, rounding: "none", relearning: 2e-2, taught: 1, seed: 1 });
    const lossAfter = (epoch: number): number => {
      twin.begin(epoch);
      return twin.step(training, () => nll, { lr: 0, step: 1, members: [0, 1] }).loss;
    };
    assertClose([lossAfter(1)], [lossUnder(params, [0, 1]) + lossUnder(params, [6])]);
    const got = lossAfter(2);
    const possible = [...windows.keys()].map((t) => {
      const stored = taughtParameters(params, t, 2e-2);
      const rest = [0, 1].filter((m) => m !== t);
      return lossUnder(stored, rest) + lossUnder(stored, [6]);
    });
    const closest = Math.min(...possible.map((x) => Math.abs(x - got)));
    assert.ok(closest < 1e-5 * got, `${got} of ${possible.join()}`);
    twin.dispose();
    writer.dispose();
  });
});

test("relearning: where all that a step would train is taught, the step is the weights' own", () => {
  tidy(() => {
    const writer = WRITERS["factors"]!();
    const parts = { arch, params, writer, beside: writer.beside!, optimiser: sgd(), windows };
    const twin = twinSteps({ ...parts, rounding: "none", relearning: 2e-2, taught: 1, seed: 1 });
    twin.begin(2);
    const own = [...windows.keys()].filter((m) => {
      const { loss } = twin.step(batchOf([m]), () => nll, { lr: 0, step: 1, members: [m] });
      return Math.abs(loss - lossUnder(params, [m])) < 1e-5;
    });
    assert.equal(own.length, 1); // the one that is taught
    twin.dispose();
    writer.dispose();
  });
});

test("relearning: a text is taught, or left out, with all its windows; of two texts one is, a single one never", () => {
  const ownOf = (textOf: readonly number[]) =>
    tidy(() => {
      const writer = WRITERS["factors"]!();
      const cut = textOf.map((text, i) => ({ ...windows[i]!, text }));
      const parts = { arch, params, writer, beside: writer.beside!, optimiser: sgd() };
      const how = { rounding: "none", relearning: 2e-2, taught: 8, seed: 1 } as const;
      const twin = twinSteps({ ...parts, ...how, windows: cut });
      twin.begin(2);
      const own = [...cut.keys()].filter((m) => {
        const { loss } = twin.step(batchOf([m]), () => nll, { lr: 0, step: 1, members: [m] });
        return Math.abs(loss - lossUnder(params, [m])) < 1e-6;
      });
      twin.dispose();
      writer.dispose();
      return own.map((m) => textOf[m]!);
    });
  const [one, two, ...more] = ownOf([0, 0, 1, 1, 2, 2, 3]);
  assert.deepEqual([two, more], [one, []]);
  assert.equal(ownOf([0, 0, 0, 1, 1, 1]).length, 3);
  assert.equal(ownOf([0, 0]).length, 2); // steps of the weights' own, all of them
});
