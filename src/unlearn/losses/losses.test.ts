import assert from "node:assert/strict";
import { test } from "node:test";
import {
  add,
  addScalar,
  amax,
  clamp,
  detach,
  div,
  exp,
  full,
  gather,
  grad,
  linear,
  log,
  logSigmoid,
  logSoftmax,
  meanDim,
  memory,
  mul,
  mulScalar,
  neg,
  noGrad,
  powScalar,
  requiresGrad,
  rsubScalar,
  scatterAdd_,
  scatterTo,
  softmax,
  squeeze,
  sub,
  sum,
  sumDim,
  tensor,
  tidy,
  type Tensor,
} from "../../torch/index.ts";
import { assertClose } from "../../../tests/close.ts";
import { targetDistribution } from "./fixed-target.ts";
import { LOSSES, LOSS_DEFAULTS, type LossName, type RowContext } from "./index.ts";
import { lowered } from "./undial.ts";

const [N, V, D] = [5, 7, 3];
const TARGETS = [0, 6, 3, 3, 1];
const SEQUENCE = [0, 0, 1, 1, 1];
const PI = [0.05, 0.4, 0.2, 0.01, 0.9];
const TAU = [1, 2, 12, 1.5, 1];

const random = (shape: number[], seed: number): Tensor => {
  const values = Float64Array.from(
    { length: shape.reduce((a, b) => a * b, 1) },
    (_, i) => 2 * Math.sin(12.9898 * (i + 1) + seed * 78.233),
  );
  return tensor(values, { shape, dtype: "float64" });
};
const column = (values: number[]) => tensor(values, { shape: [N, 1], dtype: "float64" });
const own = () => tensor(TARGETS, { shape: [N, 1], dtype: "int64" });

/** Rows and head whose logits are the ones under test; the reference is another head. */
function setting() {
  const rows = random([N, D], 1);
  const head = random([V, D], 2);
  const logits = linear(rows, head);
  const logits0 = mulScalar(linear(rows, random([V, D], 3)), 1.5);
  const logProbability = [...squeeze(gather(logSoftmax(logits0, -1), 1, own()), 1).toFloats()];
  const reference = {
    logits: () => mulScalar(logits0, 1), // what it gives may be overwritten
    logProbability,
    natural: PI.map((pi, i) => ({ pi, tau: TAU[i]! })),
  };
  const context: RowContext = {
    rows,
    head,
    targets: TARGETS,
    sequence: SEQUENCE,
    pressure: SEQUENCE.map(() => ({ likelihood: 0, accuracy: 0 })),
    reference,
    steer: random([1, V], 4),
  };
  return { logits, logits0, logProbability, context };
}

const logP = (z: Tensor) => gather(logSoftmax(z, -1), 1, own()); // (N, 1)
const mixture = (z0: Tensor, pi: Tensor, tau: Tensor) => {
  const others = scatterTo(div(z0, tau), 1, own(), full([N, 1], -Infinity, { dtype: "float64" }));
  return scatterAdd_(mul(softmax(others, -1), rsubScalar(pi, 1)), 1, own(), pi);
};

/** Losses of the two sequences, shared by their rows, times N / 2: a mean over rows is then the mean over sequences. */
const spread = (losses: Tensor[]): Tensor =>
  losses
    .map((loss, s) => {
      const length = SEQUENCE.filter((x) => x === s).length;
      return mul(loss, column(SEQUENCE.map((x) => (x === s ? N / 2 / length : 0))));
    })
    .reduce((a, b) => add(a, b));

/** Each loss as its paper writes it, per row, for autograd. */
const WRITTEN: Record<LossName, (z: Tensor, s: ReturnType<typeof setting>) => Tensor> = {
  ga: (z) => logP(z),
  em: (z) => sumDim(mul(softmax(z, -1), logSoftmax(z, -1)), [-1], { keepdim: true }),
  npo(z, { logProbability }) {
    const gap = sub(logP(z), column(logProbability));
    const parts = [0, 1].map((s) => sum(mul(gap, column(SEQUENCE.map((x) => (x === s ? 1 : 0))))));
    const loss = parts.map((g) => mulScalar(neg(logSigmoid(mulScalar(g, -0.1))), 2 / 0.1));
    return spread(loss);
  },
  undial(z, { logits0 }) {
    const target = softmax(
      scatterAdd_(mulScalar(logits0, 1), 1, own(), full([N, 1], -10, { dtype: "float64" })),
      -1,
    );
    return neg(sumDim(mul(target, logSoftmax(z, -1)), [-1], { keepdim: true }));
  },
  simnpo(z) {
    const parts = [0, 1].map((s) => {
      const length = SEQUENCE.filter((x) => x === s).length;
      const own = mul(logP(z), column(SEQUENCE.map((x) => (x === s ? 1 : 0))));
      const u = addScalar(mulScalar(sum(own), 0.1 / length), 10); // β S/n + γ
      return mulScalar(neg(logSigmoid(neg(u))), 2 / 0.1);
    });
    return spread(parts);
  },
  me: (z) =>
    addScalar(
      mulScalar(sumDim(logSoftmax(z, -1), [-1], { keepdim: true }), -1 / V),
      -Math.log(V), // KL(u‖p) = Σ u ln u - Σ u ln p
    ),
  label_smoothing: (z) =>
    add(
      mulScalar(logP(z), -0.05),
      mulScalar(sumDim(logSoftmax(z, -1), [-1], { keepdim: true }), -0.95 / V),
    ),
  ce_u(z) {
    const none = full([N, 1], -Infinity, { dtype: "float64" });
    const q = softmax(scatterTo(detach(z), 1, own(), none), -1);
    return neg(sumDim(mul(q, logSoftmax(z, -1)), [-1], { keepdim: true }));
  },
  wga: (z) => mul(powScalar(detach(exp(logP(z))), 0.1), logP(z)),
  satimp(z) {
    const p = detach(exp(logP(z)));
    return mul(mul(powScalar(p, 0.1), powScalar(rsubScalar(p, 1), 10)), logP(z));
  },
  pdu: (z) =>
    powScalar(sub(amax(z, { dim: [-1], keepdim: true }), meanDim(z, [-1], { keepdim: true })), 2),
  rmu: (z, { context }) => sumDim(powScalar(sub(z, context.steer!), 2), [-1], { keepdim: true }),
  natural(z, { logits0 }) {
    const pi = column(PI);
    const q = mixture(logits0, pi, column(TAU));
    const cross = neg(sumDim(mul(q, logSoftmax(z, -1)), [-1], { keepdim: true }));
    return add(cross, clamp(sub(logP(z), log(pi)), { min: 0 }));
  },
};

for (const name of Object.keys(LOSSES) as LossName[]) {
  test(`${name}: loss and hand-derived gradient are autograd's, in float64`, () => {
    tidy(() => {
      const s = setting();
      const z = requiresGrad(mulScalar(s.logits, 1));
      const written = WRITTEN[name](z, s);
      const [want] = grad([sum(written)], [z]);
      const got = noGrad(() =>
        LOSSES[name].of(s.context, LOSS_DEFAULTS)(mulScalar(s.logits, 1), {
          from: 0,
          count: N,
          targets: own(),
        }),
      );
      assertClose(got.loss.toFloats(), written.toFloats(), { rtol: 1e-6, what: "loss" });
      assertClose(got.gradLogits.toFloats(), want!.toFloats(), {
        rtol: 1e-9,
        atol: 1e-9,
        what: "gradient",
      });
    });
    assert.equal(memory().liveTensors, 0);
  });
}

test("entropy of a uniform prediction is ln V, and its gradient vanishes there and at one-hot", () => {
  tidy(() => {
    const chunk = { from: 0, count: 1, targets: tensor([0], { shape: [1, 1], dtype: "int64" }) };
    const loss = LOSSES.em.of(undefined as never, LOSS_DEFAULTS);
    const uniform = loss(tensor([0, 0, 0, 0], { shape: [1, 4] }), chunk);
    assertClose(uniform.loss.toFloats(), [-Math.log(4)]);
    assertClose(uniform.gradLogits.toFloats(), [0, 0, 0, 0], { atol: 1e-7 });
    const certain = loss(tensor([90, 0, 0, 0], { shape: [1, 4] }), chunk);
    assertClose(certain.gradLogits.toFloats(), [0, 0, 0, 0], { atol: 1e-7 });
  });
});

test("entropy of a half and two quarters, by hand: 1.5 ln 2", () => {
  tidy(() => {
    const z = tensor([Math.log(2), 0, 0], { shape: [1, 3] }); // p = 1/2, 1/4, 1/4
    const chunk = { from: 0, count: 1, targets: tensor([0], { shape: [1, 1], dtype: "int64" }) };
    const { loss, gradLogits } = LOSSES.em.of(undefined as never, LOSS_DEFAULTS)(z, chunk);
    assertClose(loss.toFloats(), [-1.5 * Math.LN2], { rtol: 1e-6 });
    // p (ln p + H): 1/2 (-ln 2 + 1.5 ln 2) = .25 ln 2, 1/4 (-2 ln 2 + 1.5 ln 2) = -.125 ln 2
    assertClose(gradLogits.toFloats(), [0.25 * Math.LN2, -0.125 * Math.LN2, -0.125 * Math.LN2], {
      rtol: 1e-5,
    });
  });
});

test("npo is (2/β) ln 2 where the model is the original", () => {
  tidy(() => {
    const s = setting();
    const now = [...squeeze(gather(logSoftmax(s.logits, -1), 1, own()), 1).toFloats()];
    const context = { ...s.context, reference: { ...s.context.reference!, logProbability: now } };
    const { loss } = LOSSES.npo.of(context, LOSS_DEFAULTS)(mulScalar(s.logits, 1), {
      from: 0,
      count: N,
      targets: own(),
    });
    // gap 0 → σ(0) = 1/2 → each sequence (2/.1) ln 2, so the mean over rows too
    const mean = Array.from(loss.toFloats()).reduce((a, b) => a + b, 0) / N;
    assert.ok(Math.abs(mean - 20 * Math.LN2) < 1e-5);
  });
});

test("a text that hangs above its level: its π shrinks, for accuracy on recited tokens alone, and its hinge grows", () => {
  tidy(() => {
    const s = setting();
    const chunk = { from: 0, count: N, targets: own() };
    const recited = [true, false, true, true, false];
    const lift = column(recited.map((yes) => (yes ? 30 : -30)));
    const logits = scatterAdd_(mulScalar(s.logits, 1), 1, own(), lift);
    const natural = PI.map((pi, i) => ({ pi: pi * 0.75 ** (recited[i] ? 3 : 1), tau: TAU[i]! }));
    const pressure = SEQUENCE.map(() => ({ likelihood: 1, accuracy: 2 }));
    const pressed = LOSSES.natural.of({ ...s.context, pressure }, LOSS_DEFAULTS);
    const by = { ...s.context, reference: { ...s.context.reference!, natural } };
    const byHand = LOSSES.natural.of(by, { ...LOSS_DEFAULTS, hinge: 1 + 0.5 * 3 });
    const [a, b] = [pressed, byHand].map((loss) => loss(mulScalar(logits, 1), chunk));
    assertClose(a!.loss.toFloats(), b!.loss.toFloats(), { rtol: 1e-12 });
    assertClose(a!.gradLogits.toFloats(), b!.gradLogits.toFloats(), { rtol: 1e-12, atol: 1e-12 });
  });
});

test("undial with γ = 0 keeps the probability, with γ large takes it away", () => {
  assert.ok(Math.abs(lowered(Math.log(0.9), 0) - 0.9) < 1e-12);
  // odds 9 · e^-10
  assert.ok(
    Math.abs(lowered(Math.log(0.9), 10) - (9 * Math.exp(-10)) / (1 + 9 * Math.exp(-10))) < 1e-12,
  );
});

test("a target distribution has mass π on the true token and sums to 1", () => {
  tidy(() => {
    const s = setting();
    const q = targetDistribution(mulScalar(s.logits0, 1), own(), column(PI), column(TAU));
    assertClose(squeeze(gather(q, 1, own()), 1).toFloats(), PI, { rtol: 1e-12 });
    assertClose(sumDim(q, [-1]).toFloats(), [1, 1, 1, 1, 1], { rtol: 1e-12 });
  });
});
