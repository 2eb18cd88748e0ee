/**
 * @file Losses and selectors against PyTorch (tests/golden/make_erasers.py), through a whole model: value, gradient of a weight, the
 * weights that are chosen. The reference is float64, ours float32: gradients to rtol 1e-4 of their largest entry.
 */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { Window } from "../../src/eval/index.ts";
import {
  architectureOf,
  forwardBackward,
  IDENTITY,
  identityFor,
  plainWeights,
  truncated,
  type Architecture,
  type LogitLoss,
} from "../../src/models/index.ts";
import {
  disposeAll,
  keep,
  memory,
  mulScalar,
  narrow,
  requiresGrad,
  tidy,
  type Tensor,
} from "../../src/torch/index.ts";
import { kl } from "../../src/unlearn/losses/kl.ts";
import {
  LOSSES,
  LOSS_DEFAULTS,
  NO_PRESSURE,
  type LossName,
  type ReferenceRows,
  type RowContext,
} from "../../src/unlearn/losses/index.ts";
import { anchored } from "../../src/unlearn/losses/rmu.ts";
import { hiddenRows, makeReference } from "../../src/unlearn/reference.ts";
import { trainingBatch } from "../../src/unlearn/rows.ts";
import { eligibleParameters } from "../../src/unlearn/scope.ts";
import { SELECTORS, type SelectInput } from "../../src/unlearn/select/index.ts";
import { assertClose } from "../close.ts";
import { readGolden } from "./read.ts";

const WATCHED = "model.layers.0.self_attn.q_proj.weight";
const FRACTION = 0.02;
const golden = readGolden("erasers");
const llama = readGolden("llama");
const linears = JSON.parse(golden.metadata["linears"]!) as string[];
const named = JSON.parse(golden.metadata["names"]!) as Record<string, string[]>;
const arch = architectureOf(JSON.parse(llama.metadata["config"]!) as Record<string, unknown>);
const params = new Map(
  [...llama.tensors].flatMap(([k, v]) => (k.startsWith("param:") ? [[k.slice(6), v]] : [])),
);
/** The rule of make_erasers.py: every matrix times .9. */
const params0 = new Map(
  [...params].map(([name, p]) => [
    name,
    tidy(() => keep(mulScalar(p, p.shape.length === 2 ? 0.9 : 1))),
  ]),
);
const [weights, weights0] = [plainWeights(arch, params), plainWeights(arch, params0)];

const rowsIn = (name: string): number[][] => {
  const flat = golden.tensors.get(name)!.toInts();
  return Array.from({ length: flat.length / 12 }, (_, i) => flat.slice(12 * i, 12 * i + 12));
};
const windows = rowsIn("ids").map((ids, text): Window => ({
  text,
  ids,
  suffixStart: 6,
  scored: [6, 7, 8, 9, 10, 11],
}));
const tokens = windows.map((w) => w.ids.slice(1).map((_, i) => i + 1));
const members = [...windows.keys()];
const live = memory().liveTensors;
after(() => {
  assert.equal(memory().liveTensors, live);
  disposeAll([params0, llama.tensors, golden.tensors]);
});

const floats = (name: string): number[] => [...golden.tensors.get(name)!.toFloats()];

async function withReference(fn: (rows: ReferenceRows) => void): Promise<void> {
  const reference = await makeReference(arch, weights0, windows, tokens, { natural: undefined });
  try {
    tidy(() => {
      const [pi, tau] = [floats("pi"), floats("tau")];
      const natural = pi.map((p, i) => ({ pi: p, tau: tau[i]! }));
      fn({ ...reference.rowsOf(members), natural });
    });
  } finally {
    reference.dispose();
  }
}

/** Mean loss over all rows, and the gradient of the watched weight; `part`: what the loss sees the last states of. */
function lossAndGradient(
  of: (context: RowContext) => LogitLoss,
  reference: ReferenceRows,
  part: Architecture = arch,
) {
  const leaf = requiresGrad(mulScalar(params.get(WATCHED)!, 1));
  const { batch, rows, sequence } = trainingBatch(windows, tokens);
  let gradient: number[] = [];
  const identity = [IDENTITY, identityFor(arch, weights)] as const;
  const own = plainWeights(arch, new Map([...params, [WATCHED, leaf], identity]));
  const losses = forwardBackward(
    part,
    {
      weights: own,
      leavesOf: (part) => (part === 0 ? [{ name: WATCHED, tensor: leaf }] : []),
      trainedHead: undefined,
    },
    batch,
    rows,
    (hidden) =>
      of({
        rows: hidden,
        head: own.get(part.head),
        targets: rows.targets,
        sequence,
        pressure: sequence.map(() => NO_PRESSURE),
        reference,
      }),
    { onGrad: (_, g) => void (gradient = [...g.toFloats()]) },
  );
  identity[1].dispose();
  return { loss: losses.reduce((a, b) => a + b, 0) / losses.length, gradient };
}

/** The first block alone: its hidden states stand where logits do. */
const firstBlock = truncated(arch, 1);
const steer = () => golden.tensors.get("steer")!;
type Case = readonly [name: string, of: (context: RowContext) => LogitLoss, part?: Architecture];
const CASES: readonly Case[] = [
  ...(Object.keys(LOSSES) as LossName[])
    .filter((name) => LOSSES[name].needs !== "hidden")
    .map((name): Case => [name, (context) => LOSSES[name].of(context, LOSS_DEFAULTS)]),
  ["kl", ({ reference }) => kl(reference!)],
  ["rmu", (context) => LOSSES.rmu.of({ ...context, steer: steer() }, LOSS_DEFAULTS), firstBlock],
];

for (const [name, of, part] of CASES) {
  test(`${name}: value and gradient through the model are PyTorch's`, async () => {
    await withReference((reference) => {
      const { loss, gradient } = lossAndGradient(of, reference, part);
      const want = floats(`grad:${name}`);
      const scale = Math.max(...want.map(Math.abs));
      assertClose([loss], floats(`loss:${name}`), { rtol: 1e-5, what: "loss" });
      assertClose(gradient, want, { rtol: 1e-4, atol: 1e-4 * scale, what: "gradient" });
    });
  });
}

test("anchor: value and gradient through the block are PyTorch's", async () => {
  const own = [IDENTITY, identityFor(arch, weights0)] as const;
  const before = plainWeights(arch, new Map([...params0, own]));
  const hidden = await hiddenRows(firstBlock, before, windows, tokens, {});
  tidy(() => {
    const reference = { logits: (from: number, n: number) => narrow(hidden, 0, from, n) };
    const known = { ...reference, logProbability: [], natural: undefined };
    const { loss, gradient } = lossAndGradient(() => anchored(reference), known, firstBlock);
    const want = floats("grad:anchor");
    assertClose([loss], floats("loss:anchor"), { rtol: 1e-5 });
    assertClose(gradient, want, { rtol: 1e-4, atol: 1e-4 * Math.max(...want.map(Math.abs)) });
  });
  disposeAll([hidden, own[1]]);
});

const input: SelectInput = {
  arch,
  params,
  weights,
  windows,
  tokens,
  eligible: eligibleParameters(arch, "linear"),
  lossOf: () => () => LOSSES.em.of(undefined as never, LOSS_DEFAULTS),
  selfTexts: () => Promise.resolve(rowsIn("own")),
  ordinary: () => Promise.resolve(rowsIn("own")),
  fraction: FRACTION,
  per: "global",
  rank: 8,
  ridge: 0.01,
  groups: 1,
  seed: 0,
};

async function chosenBy(name: keyof typeof SELECTORS): Promise<Map<string, Tensor | null>> {
  const selector = SELECTORS[name];
  assert.ok(selector.kind === "weights", `${name} selects weights`);
  return new Map(await selector.select(input));
}

/** memflex takes whole tensors, directions are compared below, the others need no gradient. */
const OTHERS = new Set(["memflex", "directions", "directions-gradient", "dense", "random"]);
for (const name of (Object.keys(SELECTORS) as (keyof typeof SELECTORS)[]).filter(
  (n) => !OTHERS.has(n),
)) {
  test(`${name}: chooses the weights that PyTorch's gradients choose`, async () => {
    const chosen = await chosenBy(name);
    const starts = new Map<string, number>();
    let total = 0;
    for (const l of linears) {
      starts.set(l, total);
      total += params.get(l)!.size;
    }
    const ours = new Set(
      [...chosen].flatMap(([p, index]) => index!.toInts().map((i) => starts.get(p)! + i)),
    );
    disposeAll(chosen);
    const want = golden.tensors.get(`select:${name}`)!.toInts();
    const shared = want.filter((i) => ours.has(i)).length;
    assert.equal(ours.size, Math.round(FRACTION * total));
    // float32 moves single weights across the threshold; of sure's last row any part may be taken
    const least = name === "sure" ? 0.95 : 0.99;
    assert.ok(shared >= least * want.length, `${shared} of ${want.length} shared`);
  });
}

test("memflex: takes the tensor that PyTorch's gradients rank first", async () => {
  const chosen = await chosenBy("memflex");
  assert.deepEqual([...chosen.keys()], named["memflex"]);
  disposeAll(chosen);
});

for (const [name, groups, stored] of [
  ["directions", 1, "directions"],
  ["directions", 3, "directions-groups"],
  ["directions-gradient", 1, "directions-gradient"],
] as const) {
  test(`${stored}: the basis of an input is PyTorch's, up to signs`, async () => {
    const selector = SELECTORS[name];
    assert.ok(selector.kind === "directions", `${name} selects directions`);
    const found = await selector.select({ ...input, groups });
    const basis = found.get("model.layers.1.mlp.gate_proj")!;
    const [ours, want] = [[...basis.toFloats()], floats(stored)];
    disposeAll([...new Set(found.values())]);
    const column = (x: number[], j: number) => x.filter((_, i) => i % 8 === j);
    for (let j = 0; j < 8; j++) {
      const [a, b] = [column(ours, j), column(want, j)];
      const sign = Math.sign(a.reduce((sum, x, i) => sum + x * b[i]!, 0));
      const scale = Math.max(...b.map(Math.abs));
      assertClose(
        a.map((x) => sign * x),
        b,
        { rtol: 1e-3, atol: 2e-3 * scale, what: `column ${j}` },
      );
    }
  });
}
