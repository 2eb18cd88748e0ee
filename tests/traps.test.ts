/**
 * @file Mistakes found in public unlearning code, one test each: numbers worked out by hand for the right formula, and the wrong
 * variant beside it, so that the test is seen to tell them apart.
 */
import assert from "node:assert/strict";
import { before, test } from "node:test";
import {
  metricNamed,
  summarise,
  tokenStats,
  type TokenStats,
  type Window,
} from "../src/eval/index.ts";
import {
  hiddenStates,
  loadModel,
  logitsOf,
  rowsOf,
  toBatch,
  type Model,
} from "../src/models/index.ts";
import { forwardBackward } from "../src/models/index.ts";
import {
  addScalar,
  gather,
  logSoftmax,
  memory,
  squeeze,
  tensor,
  tidy,
  eye,
  type Tensor,
} from "../src/torch/index.ts";
import { kl } from "../src/unlearn/losses/kl.ts";
import {
  LOSSES,
  LOSS_DEFAULTS,
  NO_PRESSURE,
  type LossName,
  type RowContext,
} from "../src/unlearn/losses/index.ts";
import { joinedBatch } from "../src/unlearn/companions.ts";
import { trainedTokens, trainingBatch } from "../src/unlearn/rows.ts";
import { assertClose } from "./close.ts";
import { sentences, temporary, tinyModel } from "./tiny.ts";

const { log, exp, LN2 } = Math;
const mean = (x: ArrayLike<number>) => Array.from(x).reduce((a, b) => a + b, 0) / x.length;

/** A context whose hidden rows are the logits themselves: the head is the identity. */
function contextOf(logits: Tensor, targets: number[], sequence: number[]): RowContext {
  return {
    rows: logits,
    head: eye(logits.shape[1]!),
    targets,
    sequence,
    pressure: sequence.map(() => NO_PRESSURE),
    reference: undefined,
  };
}

function lossOf(
  name: LossName,
  z: number[][],
  targets: number[],
  { sequence = targets.map(() => 0), reference = [] as number[], shift = 0, options = {} } = {},
): number {
  return tidy(() => {
    const logits = addScalar(tensor(z.flat(), { shape: [z.length, z[0]!.length] }), shift);
    const known = { logits: () => logits, logProbability: reference, natural: undefined };
    const context = { ...contextOf(logits, targets, sequence), reference: known };
    const chunk = {
      from: 0,
      count: z.length,
      targets: tensor(targets, { shape: [z.length, 1], dtype: "int64" }),
    };
    const loss = LOSSES[name].of(context, { ...LOSS_DEFAULTS, ...options });
    return mean(loss(addScalar(logits, 0), chunk).loss.toFloats());
  });
}

// two rows with p(y) = 1/2 and 1/4
const HALF = [log(2), 0, 0];
const QUARTER = [0, log(2), 0];

test("npo and simnpo see log-probabilities, not logits: a constant added to all logits changes nothing", () => {
  for (const name of ["npo", "simnpo"] as const) {
    const at = (shift: number) =>
      lossOf(name, [HALF, QUARTER], [0, 0], {
        reference: [log(1 / 2), log(1 / 2)],
        shift,
        options: { beta: 1, gamma: 0 },
      });
    assertClose([at(5)], [at(0)], { rtol: 1e-5 });
  }
  // the raw logit of y, which some code takes for ln p(y), moves with the constant
  assert.notEqual(HALF[0]! + 5, HALF[0]!);
});

test("npo sums over a sequence, simnpo averages over its scored tokens", () => {
  const rows = [HALF, QUARTER];
  // S = ln 1/2 + ln 1/4 = -3 ln 2, S0 = -2 ln 2; β 1: 2 ln(1 + e^(S - S0)) = 2 ln(1 + 1/2)
  const npo = lossOf("npo", rows, [0, 0], { reference: [-LN2, -LN2], options: { beta: 1 } });
  assertClose([npo], [2 * log(1.5)], { rtol: 1e-5 });
  const averaged = 2 * log(1 + exp(-LN2 / 2));
  assert.ok(Math.abs(npo - averaged) > 0.1, "the mean over tokens is another loss");
  // S / n = -3/2 ln 2, n = 2 labels: 2 ln(1 + 2^-1.5)
  const simnpo = lossOf("simnpo", rows, [0, 0], { options: { beta: 1, gamma: 0 } });
  assertClose([simnpo], [2 * log(1 + 2 ** -1.5)], { rtol: 1e-5 });
  // with the 3 tokens of the unshifted labels: 2 ln(1 + 2^-1)
  assert.ok(Math.abs(simnpo - 2 * log(1.5)) > 0.1, "the unshifted count is another loss");
});

test("me is KL(u‖p), em is -H(p): two losses with two names", () => {
  // p = 1/2, 1/4, 1/4: KL(u‖p) = 1/3 (ln 2/3 + 2 ln 4/3), -H = -3/2 ln 2
  const [me, em] = [lossOf("me", [HALF], [0]), lossOf("em", [HALF], [0])];
  assertClose([me], [(log(2 / 3) + 2 * log(4 / 3)) / 3], { rtol: 1e-5 });
  assertClose([em], [-1.5 * LN2], { rtol: 1e-5 });
  // up to its constant ln 3, -H is KL(p‖u): 1/2 ln 3/2 + 2/4 ln 3/4, which is neither
  assert.ok(Math.abs(em + log(3) - me) > 1e-3, "KL(p‖u) is not KL(u‖p)");
});

test("kl takes log-probabilities on both sides and runs from θ0 to θ", () => {
  tidy(() => {
    const chunk = { from: 0, count: 1, targets: tensor([0], { shape: [1, 1], dtype: "int64" }) };
    const p0 = tensor([7, 7], { shape: [1, 2] }); // 1/2, 1/2
    const p = tensor([log(3) - 4, -4], { shape: [1, 2] }); // 3/4, 1/4
    const got = kl({ logits: () => p0 })(p, chunk).loss.toFloats()[0]!;
    assertClose([got], [0.5 * log(2 / 3) + 0.5 * log(2)], { rtol: 1e-5 });
    const turned = 0.75 * log(3 / 2) + 0.25 * log(1 / 2);
    assert.ok(Math.abs(got - turned) > 1e-2, "KL(θ‖θ0) is another number");
  });
});

test("undial lowers the true token's logit in θ0, ce_u takes its mass away in the model as it is", () => {
  // θ0 = p = (3/4, 1/4); γ = ln 3 makes the odds of y even, q = (1/2, 1/2): CE(q, p) = (ln 4/3 + ln 4) / 2
  const undial = lossOf("undial", [[log(3), 0]], [0], {
    reference: [log(3 / 4)],
    options: { gamma: log(3) },
  });
  assertClose([undial], [(log(4 / 3) + log(4)) / 2], { rtol: 1e-5 });
  // ce_u: q(y) = 0, the rest is even: CE = -ln 1/4; with the label of another row masked it is 2/3 ln 2 + 1/3 ln 4
  assertClose([lossOf("ce_u", [HALF], [0])], [log(4)], { rtol: 1e-5 });
  assertClose([lossOf("ce_u", [HALF], [1])], [(2 / 3) * LN2 + (1 / 3) * log(4)], { rtol: 1e-5 });
});

let model: Model;
let windows: Window[];
before(async () => {
  model = await loadModel(await tinyModel(temporary()));
  windows = sentences("trap", 3, 30).map((text, i): Window => {
    const ids = model.tokenizer.encode(text, { addSpecial: false }).slice(0, 10 + 7 * i);
    const scored = ids.slice(5).map((_, k) => 5 + k);
    return { text: i, ids, suffixStart: 5, scored };
  });
});

/** ln p(x_t | x_<t) of one row, from its own unpadded forward pass. */
const logProbabilityAt = (ids: readonly number[], t: number): number =>
  tidy(() => {
    const hidden = hiddenStates(model.arch, model.weights, toBatch([ids]));
    const logits = logitsOf(model.arch, model.weights, rowsOf(hidden, [t - 1]));
    const wanted = tensor([ids[t]!], { shape: [1, 1], dtype: "int64" });
    return squeeze(gather(logSoftmax(logits, -1), 1, wanted), 1).toFloats()[0]!;
  });

/** The losses of a batch's rows, as training sees them. */
function trainedLosses(
  list: readonly Window[],
  tokens: readonly (readonly number[])[],
): Float64Array {
  return tidy(() => {
    const { batch, rows, sequence } = trainingBatch(list, tokens);
    const trainable = { weights: model.weights, leavesOf: () => [], trainedHead: undefined };
    const ascent = (hidden: Tensor) =>
      LOSSES.ga.of(contextOf(hidden, [...rows.targets], sequence), LOSS_DEFAULTS);
    const onGrad = () => undefined;
    return forwardBackward(model.arch, trainable, batch, rows, ascent, { onGrad });
  });
}

test("labels are shifted once: the row before a token predicts it", () => {
  const [window] = windows;
  const losses = trainedLosses([window!], [[7]]); // ascent: ln p(y) of that token alone
  assertClose(losses, [logProbabilityAt(window!.ids, 7)], { rtol: 1e-4 });
  for (const wrong of [6, 8]) {
    const shifted = logProbabilityAt(window!.ids, wrong);
    assert.ok(Math.abs(losses[0]! - shifted) > 1e-3, `token ${wrong} is another number`);
  }
});

test("padding is neither trained on nor measured: rows of a mixed batch are those of each text alone", async () => {
  const tokens = windows.map((w) => trainedTokens(w, "all"));
  const together = trainedLosses(windows, tokens);
  const alone = windows.flatMap((w, i) => [...trainedLosses([w], [tokens[i]!])]);
  assert.equal(
    together.length,
    windows.reduce((n, w) => n + w.ids.length - 1, 0),
  );
  assertClose(together, alone, { rtol: 1e-4 });
  const padded = windows.length * Math.max(...windows.map((w) => w.ids.length - 1));
  assert.ok(padded > together.length, "there is padding to leave out");
  const stats = await tokenStats(model.arch, model.weights, windows);
  stats.forEach((s, i) => {
    assert.equal(s.correct.length, windows[i]!.scored.length);
    assertClose(
      s.logProbability,
      windows[i]!.scored.map((t) => logProbabilityAt(windows[i]!.ids, t)),
      { rtol: 1e-4 },
    );
  });
});

test("a retain term is a mean over its own rows, whatever their number", () => {
  const [short, middle, long] = windows as [Window, Window, Window];
  const joining = { windows: [long], tokens: [trainedTokens(long, "all")] };
  const { weights, own } = tidy(() => {
    const batch = joinedBatch([short, middle], [[5, 6], [5]], joining, 2);
    return { weights: batch.training.rows.weights, own: batch.own };
  });
  assertClose(weights.slice(0, own), [1 / 3, 1 / 3, 1 / 3]);
  assertClose([weights.slice(own).reduce((a, b) => a + b, 0)], [2]); // α, not α · its rows / all rows
});

const stat = (correct: number[], p: number[]): TokenStats => ({
  correct: Uint8Array.from(correct),
  logProbability: Float64Array.from(p, log),
  entropy: new Float64Array(p.length),
  rank: new Float64Array(p.length),
});

test("the last token counts: a text that is right but for it is not recited, and nothing is known to its end", () => {
  const s = stat([1, 1, 1, 0], [0.9, 0.9, 0.9, 0.1]);
  assert.equal(metricNamed("exact_match").ofText([s]), 0); // dropping the last label would say 1
  assert.equal(metricNamed("extraction_strength").ofText([s]), 0); // k = 4 of 4; a floor would say 1/4
  assert.equal(metricNamed("memorization_accuracy").ofText([s]), 3 / 4);
});

test("perplexity is pooled over tokens, not a mean of texts' perplexities", () => {
  const set = [stat([0], [1 / 16]), stat([0, 0, 0], [1 / 2, 1 / 2, 1 / 2])];
  // (4 + 1 + 1 + 1) ln 2 / 4 → 2^(7/4); the mean over texts would be (16 + 2) / 2
  assertClose([summarise("perplexity", [], set, "heldout").value], [2 ** 1.75], { rtol: 1e-12 });
});

test("no tensor is left", () => {
  model.dispose();
  assert.equal(memory().liveTensors, 0);
});
