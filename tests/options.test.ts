/** @file Every option of erase does what it says, on a tiny model that recites: what may change, where the loss looks, in which dtype. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { erase, evaluate } from "../src/index.ts";
import { openModel } from "../src/io/index.ts";
import { loadModel } from "../src/models/index.ts";
import { memory } from "../src/torch/index.ts";
import type { EraseHooks, EraseOptions } from "../src/verbs/erase-types.ts";
import { CUT, reciting } from "./reciting.ts";
import { sentences, temporary, textsFile } from "./tiny.ts";

const folder = temporary();
const at = (name: string) => join(folder, name);
const texts = sentences("forget", 4, 24);
const forget = textsFile(folder, "forget", texts);
const heldout = textsFile(folder, "held", sentences("held", 6, 48));
const retain = textsFile(folder, "retain", sentences("retain", 4, 24));
const target = at("target");

before(() => reciting(folder, forget));

let runs = 0;
/** Erases with the options; returns the result and the merged directory, and holds the run to leaving no tensor. */
async function run(options: Partial<EraseOptions>, hooks: EraseHooks = {}) {
  const live = memory().liveTensors;
  const out = at(`out-${++runs}`);
  const given = {
    model: target,
    forget,
    heldout,
    target: "ma=0.9,nll=0.5",
    utilityBudget: 5,
    epochs: 60,
    dtype: "float32",
    ...CUT,
    patchOut: at(`patch-${runs}`),
    out,
    ...options,
  } as const;
  const result = await erase(given, hooks);
  assert.equal(memory().liveTensors, live);
  assert.ok(["erased", "incomplete"].includes(result.status), result.status);
  return { result, out };
}

const nllOf = (set: { [metric: string]: { value: number } } | undefined) =>
  set!["suffix_nll"]!.value;

/** Flat indices of the values that differ, per tensor. */
async function changedIn(out: string): Promise<Map<string, number[]>> {
  const [a, b] = [await loadModel(target), await loadModel(out)];
  try {
    const found = new Map<string, number[]>();
    for (const [name, before] of a.params) {
      const [x, y] = [before.toFloats(), b.params.get(name)!.toFloats()];
      const places = Array.from(x.keys()).filter((i) => !Object.is(x[i], y[i]));
      if (places.length > 0) found.set(name, places);
    }
    return found;
  } finally {
    a.dispose();
    b.dispose();
  }
}

/** All weights of a model, by name. */
async function weightsOf(path: string): Promise<Map<string, ArrayLike<number>>> {
  const model = await loadModel(path);
  try {
    return new Map([...model.params].map(([name, w]) => [name, w.toFloats()]));
  } finally {
    model.dispose();
  }
}

test("--scope mlp writes to no other layer", async () => {
  const { out } = await run({ scope: "mlp", rank: 4, lr: 3e-3 });
  const names = [...(await changedIn(out)).keys()];
  assert.ok(names.length > 0 && names.every((n) => n.includes(".mlp.")), names.join());
});

test("--frozen leaves the blocks below it as they are, whatever the scope", async () => {
  for (const scope of ["linear", "all"] as const) {
    const given = scope === "all" ? ({ method: "em", lr: 1e-3 } as const) : { rank: 4, lr: 3e-3 };
    const { result, out } = await run({ ...given, scope, frozen: 0.5 });
    const names = [...(await changedIn(out)).keys()];
    assert.ok(names.length > 0 && names.every((n) => !/layers\.0\.|embed/.test(n)), names.join());
    assert.ok(nllOf(result.after.forget) > nllOf(result.before.forget) + 0.1);
  }
});

test("--select directions-gradient forgets, as factors of the rank asked for", async () => {
  await assert.rejects(
    run({ select: "directions-gradient", groups: 2 }),
    /--groups: expected a --select that reads it, got --select directions-gradient/,
  );
  const { result } = await run({ select: "directions-gradient", rank: 4, lr: 3e-3 });
  assert.deepEqual([result.patch!.kind, result.selection.rank], ["factors", 4]);
  assert.ok(nllOf(result.after.forget) > nllOf(result.before.forget) + 0.2);
});

test("--precondition self writes elsewhere at the outputs, and is refused where no direction is", async () => {
  await assert.rejects(
    run({ method: "em", precondition: "self" }),
    /--precondition: expected a --select that reads it, got --select dense/,
  );
  await assert.rejects(
    run({ method: "ssd", retain: "self", precondition: "self" }),
    /--precondition: expected an option of ssd/,
  );
  const blind = { optimiser: "subzero", rounding: "none" } as const;
  await assert.rejects(
    run({ ...blind, precondition: "self" }),
    /--precondition self: expected an optimiser of gradients, got subzero/,
  );
  const given = { rank: 4, lr: 3e-3, samples: 0, rounding: "none", epochs: 2 } as const;
  const phases = new Set<string>();
  const noted: EraseHooks = { onEvent: (e) => e.type === "phase" && phases.add(e.name) };
  const plain = await run(given, noted);
  assert.ok(!phases.has("outputs"));
  const own = await run({ ...given, precondition: "self" }, noted);
  assert.ok(phases.has("outputs"));
  const { before, after } = own.result;
  assert.ok(nllOf(after.forget) > nllOf(before.forget));
  assert.notDeepEqual(await weightsOf(plain.out), await weightsOf(own.out));
  const again = await run({ ...given, precondition: "self" });
  assert.deepEqual(await weightsOf(again.out), await weightsOf(own.out), "the seed's");
});

test("--samples gives directions more to be contrasted with, and is refused where nothing is", async () => {
  await assert.rejects(
    run({ method: "em", select: "magnitude", samples: 8 }),
    /--samples: expected a --select that reads it, got --select magnitude/,
  );
  await assert.rejects(run({ method: "spul", retain: "self", samples: 8 }), /--samples: expected/);
  const given = { rank: 4, lr: 3e-3, epochs: 1 } as const;
  const { out: without } = await run({ ...given, samples: 0 });
  const { out: withMore } = await run({ ...given, samples: 4 });
  const [a, b] = [await weightsOf(without), await weightsOf(withMore)];
  assert.deepEqual([...a.keys()], [...b.keys()]);
  assert.ok([...a].some(([name, w]) => name.includes(".mlp.") && w[0] !== b.get(name)![0]));
  assert.deepEqual(await weightsOf((await run({ ...given, samples: 4 })).out), b, "the seed's");
  const projected = {
    method: "em",
    scope: "linear",
    project: "self",
    lr: 1e-3,
    target: "ma=0.8,nll=1",
  } as const;
  const [c, d] = [await run(projected), await run({ ...projected, samples: 4 })];
  assert.notDeepEqual(await weightsOf(c.out), await weightsOf(d.out));
});

test("--per row changes whole output rows, --per tensor the same share of each", async () => {
  const given = { method: "em", select: "contrastive", scope: "linear", lr: 1e-3 } as const;
  const byRow = await changedIn((await run({ ...given, per: "row", fraction: 0.1 })).out);
  const source = await openModel(target);
  const shapeOf = (name: string) => source.info(name).shape;
  for (const [name, places] of byRow) {
    const rows = new Set(places.map((i) => Math.floor(i / shapeOf(name)[1]!)));
    assert.ok(places.length > 0.9 * rows.size * shapeOf(name)[1]!, `${name}: whole rows`);
  }
  const byTensor = await changedIn((await run({ ...given, per: "tensor", fraction: 0.1 })).out);
  for (const [name, places] of byTensor) {
    const size = shapeOf(name).reduce((x, y) => x * y, 1);
    assert.ok(places.length <= Math.round(0.1 * size) && places.length > 0.08 * size, name);
  }
  source.close();
});

test("--project self leaves the model's own text more alone than no projection does", async () => {
  const given = { method: "em", scope: "linear", lr: 1e-3, target: "ma=0.8,nll=1" } as const;
  const plain = await run(given);
  const projected = await run({ ...given, project: "self" });
  const rise = ({ result }: typeof plain) =>
    result.after.heldout!["perplexity"]!.value / result.before.heldout!["perplexity"]!.value;
  assert.ok(rise(projected) < rise(plain), `${rise(projected)} and ${rise(plain)}`);
});

test("--positions suffix trains fewer tokens: another patch than all positions", async () => {
  const [all, suffix] = [await run({ rank: 4 }), await run({ rank: 4, positions: "suffix" })];
  assert.notEqual(all.result.patch!.sha256, suffix.result.patch!.sha256);
});

test("spans: only tokens that overlap them are scored and erased", async () => {
  const spans = at("spans.jsonl");
  const rows = texts.map((text, i) => ({ id: `s${i}`, text, spans: [{ start: 16, end: 20 }] }));
  writeFileSync(spans, rows.map((r) => `${JSON.stringify(r)}\n`).join(""));
  const { result } = await run({ forget: spans, rank: 4, lr: 3e-3 });
  assert.equal(result.before.forget!["token_probability"]!.n, 4);
  assert.ok(nllOf(result.after.forget) > nllOf(result.before.forget) + 0.2);
});

test("--optimiser sgd makes another step than adamw", async () => {
  const { result } = await run({ method: "em", optimiser: "sgd", lr: 0.5 });
  assert.ok(nllOf(result.after.forget) > nllOf(result.before.forget) + 0.2);
});

test("--tune-passes and --tune-lr: a longer fine-tuning is another vector, and its notch goes further", async () => {
  const given = { method: "task_arithmetic", lr: 0.2, tuneLr: 1e-3 } as const;
  const short = await run({ ...given, tunePasses: 2 });
  const long = await run({ ...given, tunePasses: 8 });
  const far = await run({ ...given, tunePasses: 2, tuneLr: 4e-3 });
  for (const { result } of [short, long, far]) {
    assert.ok(nllOf(result.after.forget) > nllOf(result.before.forget) + 0.2);
    assert.equal(result.steps, result.epochs); // a notch a measurement
  }
  const took = [short, long, far].map(({ result }) => result.epochs);
  assert.ok(took[0]! > took[1]! && took[0]! > took[2]!, took.join());
});

test("task_arithmetic in directions writes factors", async () => {
  const given = { method: "task_arithmetic", lr: 1, tuneLr: 3e-3 } as const;
  const { result } = await run({ ...given, select: "directions", scope: "linear", rank: 4 });
  assert.equal(result.patch!.kind, "factors");
  assert.ok(nllOf(result.after.forget) > nllOf(result.before.forget) + 0.2);
});

test("--threshold: sga trains on fewer texts than ga, on the same with a threshold of 0", async () => {
  const given = { lr: 1e-4, batch: 1, epochs: 30 } as const;
  const ga = await run({ ...given, method: "ga" });
  const all = await run({ ...given, method: "sga", threshold: 0 });
  const few = await run({ ...given, method: "sga", threshold: 0.95 });
  assert.deepEqual(await weightsOf(all.out), await weightsOf(ga.out));
  const pace = ({ result }: typeof ga) => result.steps / result.epochs;
  assert.ok(pace(few) < pace(all), `${pace(few)} and ${pace(all)} steps an epoch`);
});

test("balanced_subnet drops the --fraction of each MLP matrix and changes nothing else", async () => {
  const given = { method: "balanced_subnet", retain: "self", lr: 0.3, fraction: 0.1 } as const;
  const { out, result } = await run(given);
  const model = await loadModel(out);
  for (const [name, places] of await changedIn(out)) {
    const values = model.params.get(name)!.toFloats();
    assert.ok(name.includes(".mlp.") && places.every((i) => values[i] === 0), name);
    assert.equal(places.length, Math.round(0.1 * values.length));
  }
  model.dispose();
  assert.equal(result.patch!.changed, result.selection.selected);
  assert.ok(nllOf(result.after.forget) > nllOf(result.before.forget) + 0.2);
  await assert.rejects(run({ ...given, select: "directions" }), /--select: expected an option of/);
  await assert.rejects(run({ ...given, rank: 4 }), /--rank: expected an option of balanced_subnet/);
});

test("rmu writes to the MLP outputs up to --layer, further for a larger --coefficient", async () => {
  const given = { method: "rmu", retain: "self", lr: 1e-3, alpha: 1, epochs: 60 } as const;
  const first = await run({ ...given, layer: 0, coefficient: 4 });
  assert.deepEqual(
    [...(await changedIn(first.out)).keys()],
    ["model.layers.0.mlp.down_proj.weight"],
  );
  assert.ok(nllOf(first.result.after.forget) > nllOf(first.result.before.forget) + 0.2);
  const far = {
    ...given,
    target: "ma=0,nll=99",
    lr: 3e-3,
    epochs: 12,
    utilityBudget: 100,
  } as const;
  const [a, b] = [await run({ ...far, coefficient: 1 }), await run({ ...far, coefficient: 8 })];
  assert.ok(nllOf(b.result.after.forget) > nllOf(a.result.after.forget), "further");
});

test("rmu under selectors that look at its own gradient, of weights and of directions", async () => {
  const given = { method: "rmu", retain: "self", lr: 3e-3, alpha: 1, coefficient: 4 } as const;
  const odds = { select: "contrastive_odds", fraction: 0.2 } as const;
  const by = { select: "directions-gradient", scope: "linear", rank: 4 } as const;
  for (const chosen of [odds, by]) {
    const { result } = await run({ ...given, ...chosen });
    assert.ok(nllOf(result.after.forget) > nllOf(result.before.forget) + 0.2, chosen.select);
  }
});

test("ssd dampens only weights that a selector chose, towards 0, and takes the model's own text", async () => {
  const given = { method: "ssd", retain: "self", lr: 1, epochs: 60 } as const;
  const { out, result } = await run({ ...given, select: "salun", scope: "mlp", fraction: 0.2 });
  const [a, b] = [await loadModel(target), await loadModel(out)];
  let changed = 0;
  for (const [name, places] of await changedIn(out)) {
    assert.match(name, /\.mlp\./);
    const [x, y] = [a.params.get(name)!.toFloats(), b.params.get(name)!.toFloats()];
    for (const i of places) {
      const left = y[i]! / x[i]!;
      assert.ok(left >= 0 && left < 1, `${x[i]} to ${y[i]}`);
    }
    changed += places.length;
  }
  assert.ok(changed > 0 && changed <= result.selection.selected, `${changed} changed`);
  a.dispose();
  b.dispose();
});

test("--optimiser subzero forgets by forward passes alone, telling slopes and no gradient norm", async () => {
  const given = { method: "ga", optimiser: "subzero", lr: 1e-3, passes: 10 } as const;
  const { result } = await run(given);
  assert.ok(nllOf(result.after.forget) > nllOf(result.before.forget) + 0.2);
  await assert.rejects(
    run({ ...given, dtype: "bfloat16" }),
    /expected --dtype float32, got bfloat/,
  );
  const scoped = { ...given, scope: "linear", project: "self" } as const;
  await assert.rejects(run(scoped), /--project self: expected an optimiser of gradients/);
});

test("--rounding: what is erased is in 4 bits as well, the patch merged or beside them", async () => {
  const known = async (options: { model: string; patch?: string }): Promise<number> =>
    nllOf((await evaluate({ forget, rounding: "4", ...options, ...CUT })).forget);
  const apart = async (rounding: "4" | "none"): Promise<number> => {
    const patchOut = at(`twin-${rounding}`);
    const where = { scope: "linear", groups: 1, rank: 8, lr: 5e-5, samples: 0 } as const;
    const { result, out } = await run({ ...where, rounding, patchOut, target: "ma=0.3,nll=2" });
    const [whole, merged] = [nllOf(result.after.forget), await known({ model: out })];
    const beside = await known({ model: target, patch: patchOut });
    assert.ok(whole > nllOf(result.before.forget) + 1, `${whole}`);
    assert.ok(Math.abs(merged - whole) < 0.05 * whole, `${merged} in 4 bits, ${whole} without`);
    assert.ok(Math.abs(beside - merged) < 0.05 * merged, `${beside} beside, ${merged} merged`);
    return Math.abs(merged - whole);
  };
  const [without, within] = [await apart("none"), await apart("4")];
  assert.ok(within < without, `${within} against ${without}`);
  await assert.rejects(
    run({ method: "ga", optimiser: "subzero", rounding: "4" }),
    /--optimiser subzero: expected adamw, sgd or momentum where steps are also taken in a twin/,
  );
});

test("--rounding, --relearning: every fourth or second step is a twin's, beside text to keep and on hidden states too", async () => {
  const lossesOf = async (options: Partial<EraseOptions>): Promise<number[]> => {
    const losses: number[] = [];
    const onEvent: EraseHooks["onEvent"] = (e) => void (e.type === "step" && losses.push(e.loss));
    const fixed = { target: "ma=0,nll=99", utilityBudget: 100, epochs: 2, passes: 4 } as const;
    await run({ ...fixed, ...options }, { onEvent });
    return losses;
  };
  for (const options of [
    { method: "graddiff", retain, lr: 1e-3 },
    { method: "rmu", retain, lr: 1e-2, layer: 0, coefficient: 4 },
  ] as const) {
    const plain = await lossesOf({ ...options, rounding: "none" }); // four steps an epoch
    for (const [twin, first] of [
      [{ rounding: "4" }, 3],
      [{ relearning: 3e-2 }, 5], // in the second epoch: in the first nothing is taught
      [{ rounding: "4", relearning: 3e-2 }, 1],
    ] as const) {
      const turned = await lossesOf({ ...options, ...twin });
      const differ = plain.findIndex((loss, i) => Math.abs(loss - turned[i]!) > 1e-4 * loss);
      assert.equal(differ, first, `${options.method}: ${plain.join()} and ${turned.join()}`);
      assert.ok(turned.every(Number.isFinite));
    }
  }
  await assert.rejects(run({ method: "spul", retain, relearning: 1e-3 }), /--relearning: .*spul/);
  await assert.rejects(
    run({ relearning: 1e-3, scope: "linear", dtype: "bfloat16" }),
    /--relearning: expected --dtype float32, got bfloat16/,
  );
  await assert.rejects(
    run({ method: "ga", optimiser: "subzero", relearning: 1e-3 }),
    /add --rounding none --relearning 0/,
  );
});

test("--constraint: λ follows what text to keep lost over the bound, at --dual-rate, and holds it", async () => {
  const given = { method: "em", lr: 1e-3, epochs: 12, target: "ma=0,nll=9", passes: 4 } as const;
  for (const [constraint, dualRate, retain] of [
    ["kl=0.02", 40, "self"],
    ["nll=0.02", 20, undefined],
  ] as const) {
    const steps: { dual: number; divergence: number }[] = [];
    const onEvent: EraseHooks["onEvent"] = (e) => {
      if (e.type === "step") steps.push({ dual: e.dual!, divergence: e.divergence! });
    };
    const held = await run({ ...given, constraint, dualRate, retain }, { onEvent });
    assert.equal(steps[0]!.dual, 0);
    assert.ok(Math.abs(steps[0]!.divergence) < 1e-4, "at θ0 nothing has moved");
    steps.slice(1).forEach(({ dual }, i) => {
      const before = steps[i]!;
      const want = Math.max(0, before.dual + dualRate * (before.divergence - 0.02));
      assert.ok(Math.abs(dual - want) < 1e-9, `${dual} is not ${want} after step ${i + 1}`);
    });
    assert.ok(
      steps.some((s) => s.dual > 0.1),
      "it was heard",
    );
    const free = await run({ ...given, constraint: "kl=100", dualRate });
    const kept = (r: typeof held) => r.result.after.heldout!["perplexity"]!.value;
    assert.ok(kept(held) < kept(free), `${constraint}: ${kept(held)} and ${kept(free)}`);
  }
});

test("what a constraint cannot stand beside", async () => {
  const em = { method: "em", constraint: "kl=0.05" } as const;
  await assert.rejects(
    run({ ...em, alpha: 2, retain: "self" }),
    /--alpha: expected no --constraint/,
  );
  await assert.rejects(run({ ...em, constraint: "kl" }), /--constraint: expected kl=0\.05, nll=/);
  await assert.rejects(
    run({ ...em, method: "graddiff", retain: "self" }),
    /without text of its own/,
  );
  await assert.rejects(run({ ...em, method: "task_arithmetic" }), /expected a method that trains/);
  await assert.rejects(run({ method: "em", dualRate: 2 }), /--dual-rate: expected an option of em/);
  await assert.rejects(
    run({ method: "em", constraint: "none" }),
    /--constraint: expected an option/,
  );
});

test("--dtype bfloat16 trains rounded weights, measures and writes float32", async () => {
  const { result, out } = await run({ dtype: "bfloat16", rank: 4, lr: 3e-3 });
  assert.ok(nllOf(result.after.forget) > nllOf(result.before.forget) + 0.2);
  const source = await openModel(out);
  assert.equal(source.info("model.norm.weight").dtype, "float32");
  source.close();
});

test("--out-dtype and --patch-dtype bfloat16 write that dtype, measured after rounding", async () => {
  const full = await run({ rank: 4, lr: 3e-3 });
  const { result, out } = await run({
    rank: 4,
    lr: 3e-3,
    outDtype: "bfloat16",
    patchDtype: "bfloat16",
  });
  const source = await openModel(out);
  assert.equal(source.info("model.norm.weight").dtype, "bfloat16");
  source.close();
  assert.ok(result.patch!.bytes < full.result.patch!.bytes);
  assert.notEqual(nllOf(result.after.forget), nllOf(full.result.after.forget));
});
