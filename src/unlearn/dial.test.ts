import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { assertClose } from "../../tests/close.ts";
import { temporary, tinyModel } from "../../tests/tiny.ts";
import { wholeWindow } from "../eval/index.ts";
import { loadModel, type Model } from "../models/index.ts";
import { copy_, memory, mulScalar, noGrad, tidy } from "../torch/index.ts";
import { checkpointTo, resumeFrom } from "./checkpoint.ts";
import { eraseLoop } from "./erase-loop.ts";
import type { Checkpointing, Dial, LoopEvent, LoopInput, Measure } from "./loop-types.ts";
import { givenGoal } from "./level.ts";
import { optimiser } from "./optimiser.ts";
import { weightsWriter } from "./writers/weights.ts";

const NORM = "model.norm.weight"; // all ones
let model: Model;
before(async () => {
  model = await loadModel(await tinyModel(temporary()));
});
after(() => model.dispose());

/** A dial that scales the final norm to 1 - strength, with a measurement read off it: nll s, perplexity 1 + s². */
function fake(given: Partial<LoopInput> & { nll: number; budget: number }) {
  const { arch, params } = model;
  const writer = weightsWriter(
    arch,
    params,
    [{ name: NORM, part: "final" }],
    new Map([[NORM, null]]),
  );
  const strength = () => 1 - writer.trainable.weights.get(NORM).toFloats()[0]!;
  const dial: Dial = {
    name: "fake",
    set(s) {
      noGrad(() =>
        tidy(() => copy_(writer.variables.get(NORM)!, mulScalar(params.get(NORM)!, 1 - s))),
      );
      writer.publish();
    },
  };
  const measure = (): Promise<Measure> => {
    const s = strength();
    const mean = { accuracy: 0, nll: s };
    return Promise.resolve({ levels: [mean], mean, perplexity: 1 + s * s, recited: 0, entropy: 0 });
  };
  const adam = optimiser();
  const input: LoopInput = {
    arch,
    writer,
    optimiser: adam,
    windows: [wholeWindow([1, 2], 0)],
    tokens: [],
    lossOf: () => assert.fail("a dial does not train"),
    dial,
    goal: givenGoal({ accuracy: 1, nll: given.nll }, 1),
    measure,
    lr: 1,
    warmup: 4,
    epochs: 20,
    passes: 1,
    batch: 1,
    seed: 0,
    ...given,
  };
  const dispose = () => {
    adam.dispose();
    writer.dispose();
  };
  return { input, strength, writer, adam, dispose };
}

test("a dial is turned notch by notch to the goal, then back to the first point at it", async () => {
  const live = memory().liveTensors;
  const events: LoopEvent[] = [];
  const run = fake({ nll: 2.5, budget: 1e9, onEvent: (e) => events.push(e) });
  const outcome = await eraseLoop(run.input);
  assert.equal(outcome.status, "erased");
  // 1, 2, 3 is at the goal; between 2 and 3: 2.5 is, 2.25 and 2.375 are not
  const turned = events.flatMap((e) => (e.type === "notch" ? [e.strength] : []));
  assert.deepEqual(turned, [1, 2, 3]);
  assertClose([run.strength(), outcome.after.levels[0]!.nll], [2.5, 2.5], { atol: 1e-6 });
  assert.deepEqual([outcome.epochs, outcome.steps, outcome.reachedAt], [3, 3, [3]]);
  run.dispose();
  assert.equal(memory().liveTensors, live);
});

test("outside the budget a dial goes back and halves its notch", async () => {
  const run = fake({ nll: 2.2, budget: 6.5 }); // 1 + s² <= 6.5: s <= 2.34
  const outcome = await eraseLoop(run.input);
  // 1, 2, 3 out, 2.5 out, 2.25 is at the goal; between 2 and 2.25: 2.125 and 2.1875 are not, 2.21875 is
  assert.deepEqual([outcome.status, outcome.backoffs, outcome.epochs], ["erased", 2, 5]);
  assertClose([run.strength()], [2.21875], { atol: 1e-6 });
  run.dispose();
});

test("a goal that the dial does not reach: the last point inside the budget stays", async () => {
  const run = fake({ nll: 2.3, budget: 6 }); // s <= 2.236: 1, 2, then 3, 2.5, 2.25 and 2.125
  const outcome = await eraseLoop({ ...run.input, epochs: 6 });
  assert.deepEqual([outcome.status, outcome.backoffs], ["incomplete", 3]);
  assertClose([run.strength()], [2.125], { atol: 1e-6 });
  run.dispose();
});

test("interrupted and resumed, a dial ends where it would have", async () => {
  const live = memory().liveTensors;
  const path = join(temporary(), "state.safetensors");
  const whole = fake({ nll: 2.2, budget: 6.5 });
  const wanted = await eraseLoop(whole.input);
  for (const after of [2, 3, 5]) {
    const controller = new AbortController();
    const first = fake({
      nll: 2.2,
      budget: 6.5,
      signal: controller.signal,
      checkpointing: checkpointTo(path, 1, "same"),
      onEvent: (e) => e.type === "notch" && e.step === after && controller.abort(),
    });
    await assert.rejects(eraseLoop(first.input));
    first.dispose();
    const second = fake({ nll: 2.2, budget: 6.5 });
    const resumed: Checkpointing = (await resumeFrom(path, 1, "same", second.writer, second.adam))!;
    const got = await eraseLoop({ ...second.input, checkpointing: resumed });
    assert.deepEqual(got, wanted);
    assert.equal(second.strength(), whole.strength());
    second.dispose();
  }
  whole.dispose();
  assert.equal(memory().liveTensors, live);
});

test("a checkpoint that is cut short: the way out is to begin anew, for nobody can fetch it", async () => {
  const path = join(temporary(), "checkpoint", "state.safetensors");
  mkdirSync(dirname(path));
  writeFileSync(path, "torn");
  const { writer, adam, dispose } = fake({ nll: 2.2, budget: 6.5 });
  const message = new RegExp(`got 4\\n {2}→ delete ${dirname(path)} to start the run anew$`);
  await assert.rejects(resumeFrom(path, 1, "same", writer, adam), { exitCode: 2, message });
  dispose();
});
