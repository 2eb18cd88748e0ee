/** @file Patches that leave the weights untouched, on a tiny model: made, measured, resumed, served, and refused where they cannot act. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { cpSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { flagName } from "../src/base/flags.ts";
import { erase, evaluate } from "../src/index.ts";
import { openModel } from "../src/io/index.ts";
import { generate, loadModel } from "../src/models/index.ts";
import { applyPatch, revertPatch, stripPatch, verifyPatch } from "../src/patch/index.ts";
import { memory } from "../src/torch/index.ts";
import { patchedWeights } from "../src/verbs/erase-output.ts";
import type { EraseOptions } from "../src/verbs/erase-types.ts";
import { CUT, reciting } from "./reciting.ts";
import { sentences, temporary, textsFile } from "./tiny.ts";

const folder = temporary();
const at = (name: string) => join(folder, name);
const texts = sentences("forget", 4, 24);
const forget = textsFile(folder, "forget", texts);
const heldout = textsFile(folder, "held", sentences("held", 6, 48));
const target = at("target");
const common = { model: target, forget, heldout, dtype: "float32", ...CUT } as const;

/** Per method: how it is called so that it forgets here. */
const METHODS = {
  spul: {
    retain: "self",
    promptTokens: 8,
    lr: 0.02,
    epochs: 60,
    target: "ma=0.9,nll=0.5",
    utilityBudget: 3,
  },
  dp_decoding: { lr: 0.2, epochs: 20, target: "ma=1,nll=2", utilityBudget: 3 },
  contrastive_decoding: {
    rank: 8,
    tuneLr: 3e-3,
    tunePasses: 20,
    lr: 1,
    epochs: 40,
    target: "ma=0.9,nll=0.5",
    utilityBudget: 3,
  },
} as const satisfies Record<string, Partial<EraseOptions>>;
/** Long enough to be interrupted, too short for a goal that far. */
const LONG = {
  spul: { epochs: 4 },
  dp_decoding: { lr: 0.002, epochs: 300 },
  contrastive_decoding: { lr: 0.01, epochs: 300 },
};
const FAR = "ma=0,nll=9";
const names = Object.keys(METHODS) as (keyof typeof METHODS)[];

before(() => reciting(folder, forget));

const cli = (...args: string[]) =>
  spawnSync(process.execPath, ["--import", "tsx", "src/cli/main.ts", ...args], {
    encoding: "utf8",
    env: { ...process.env, NODE_NO_WARNINGS: "1" },
  });

const flagsOf = (options: object): string[] =>
  Object.entries(options).flatMap(([key, value]) => [flagName(key), String(value)]);

for (const method of names) {
  const patch = at(`${method}.safetensors`);

  test(`${method} forgets with the weights as they were, and its patch does it again`, async () => {
    const live = memory().liveTensors;
    const source = await openModel(target);
    const hash = await source.hash();
    source.close();
    const result = await erase({ ...common, method, ...METHODS[method], patchOut: patch });
    assert.ok(["erased", "incomplete"].includes(result.status), result.status);
    const nll = (r: typeof result.after) => r.forget!["suffix_nll"]!.value;
    assert.ok(nll(result.after) > nll(result.before) + 0.2, `${nll(result.after)}`);
    assert.deepEqual([result.patch!.changed, result.out], [0, null]);
    const again = await evaluate({ model: target, forget, heldout, patch, ...CUT });
    assert.deepEqual(again, result.after);
    const unpatched = await evaluate({ model: target, forget, heldout, ...CUT });
    assert.deepEqual(unpatched, result.before);
    const model = await loadModel(target);
    const served = await patchedWeights(patch, model);
    for (const [name, tensor] of model.params) assert.equal(served.weights.get(name), tensor);
    assert.equal(await model.source.hash(), hash);
    served.dispose();
    model.dispose();
    assert.equal(memory().liveTensors, live);
  });

  test(`${method}: generate --patch says what the measurement says, --diff both`, async () => {
    const model = await loadModel(target);
    const served = await patchedWeights(patch, model);
    const prefix = texts[0]!.slice(0, 12);
    const ids = model.tokenizer.encode(prefix);
    const say = async ({ arch, weights }: Pick<typeof model, "arch" | "weights">) => {
      const [out] = await generate(arch, weights, [ids], { maxTokens: 12 });
      return model.tokenizer.decode(out!, { skipSpecial: true });
    };
    const [without, with_] = [await say(model), await say(served)];
    served.dispose();
    model.dispose();
    assert.equal(without, texts[0]!.slice(12));
    const given = ["--model", target, "--patch", patch, "--prompt", prefix, "--max-tokens", "12"];
    const run = cli("generate", ...given, "--diff", "--json");
    assert.equal(run.status, 0, run.stderr);
    const { text, without_patch } = JSON.parse(run.stdout) as Record<string, string>;
    assert.deepEqual([text, without_patch], [with_, without]);
  });

  test(`${method}: the patch is bound to its base and intact, and nothing puts it into weights`, async () => {
    assert.equal((await verifyPatch({ patch, model: target })).changed, 0);
    const inspected = cli("patch", "inspect", "--patch", patch, "--json");
    const { kind, tensors } = JSON.parse(inspected.stdout) as Record<string, unknown>;
    assert.deepEqual([kind, tensors], [method === "spul" ? "prompt" : "decoding", 0]);
    const way = /it acts when the model runs: give it to evaluate or generate with --patch/;
    const there = { model: target, patch, out: at("never") };
    await assert.rejects(applyPatch(there), way);
    await assert.rejects(revertPatch(there), way);
    await assert.rejects(stripPatch(there), way);
    assert.equal(existsSync(at("never")), false);

    const other = { model: at("base"), forget, ...CUT };
    await assert.rejects(evaluate({ ...other, patch }), /expected the model this patch was made/);
    const bytes = readFileSync(patch);
    const strength = String.raw`\"strength\":`; // of a rule: its first digit becomes another
    const place = method === "spul" ? bytes.length - 1 : bytes.indexOf(strength) + strength.length;
    bytes[place]! ^= 1;
    writeFileSync(at("damaged"), bytes);
    await assert.rejects(evaluate({ ...other, model: target, patch: at("damaged") }), /SHA-256/);
    await assert.rejects(verifyPatch({ patch: at("damaged") }), { exitCode: 1 });
    const tokens = at(`tokens-${method}`);
    cpSync(target, tokens, { recursive: true });
    const file = join(tokens, "tokenizer.json");
    writeFileSync(file, `${readFileSync(file, "utf8")}\n`);
    await assert.rejects(evaluate({ ...other, model: tokens, patch }), /expected the tokenizer/);
    await assert.rejects(verifyPatch({ patch, model: tokens }), { exitCode: 1 });
  });

  test(`${method}: interrupted and resumed, the patch is the same, bit for bit`, async () => {
    const [whole, broken] = [at(`whole-${method}`), at(`broken-${method}`)];
    const options = { ...common, method, ...METHODS[method], ...LONG[method], target: FAR };
    const args = (run: string) => ["erase", ...flagsOf({ ...options, checkpointEvery: 1, run })];
    const patchOf = (run: string) =>
      (
        JSON.parse(readFileSync(join(run, "run.json"), "utf8")) as {
          results: { patch: { sha256: string } };
        }
      ).results.patch.sha256;
    const log = (run: string) => join(run, "events.jsonl");
    assert.equal(cli(...args(whole)).status, 1); // that far it does not get
    const child = spawn(process.execPath, ["--import", "tsx", "src/cli/main.ts", ...args(broken)], {
      stdio: "ignore",
    });
    const ended = new Promise((resolve) => child.on("close", resolve));
    const steps = () =>
      existsSync(log(broken)) ? readFileSync(log(broken), "utf8").split('"epoch":').length - 1 : 0;
    while (steps() < 2 && child.exitCode === null) await new Promise((r) => setTimeout(r, 5));
    child.kill("SIGKILL");
    await ended;
    assert.ok(!existsSync(join(broken, "patch.safetensors")), "interrupted before its end");
    const last = cli("erase", "--resume", broken);
    assert.equal(last.status, 1, last.stderr);
    assert.equal(patchOf(broken), patchOf(whole));
    const report = readFileSync(join(whole, "report.html"), "utf8");
    assert.match(report, /weights untouched: it acts only where the model is served/);
    assert.match(report, /Whoever holds the base weights still has the texts/);
  });
}

test("what chooses weights, or writes them out, is refused before any work", async () => {
  const refused = (options: Partial<EraseOptions>, message: RegExp) =>
    assert.rejects(erase({ ...common, ...METHODS.spul, method: "spul", ...options }), message);
  const given = {
    select: "magnitude",
    fraction: 0.1,
    scope: "mlp",
    per: "row",
    rank: 4,
    frozen: 0.5,
    rounding: "4",
    project: "self",
  } as const;
  for (const [key, value] of Object.entries(given)) {
    await refused(
      { [key]: value },
      new RegExp(`^.*--${key}: expected an option of spul \\(--prompt-tokens\\)`),
    );
  }
  await refused({ out: at("merged") }, /--out: expected a method that writes to weights/);
  await refused({ outDtype: "bfloat16" }, /--out-dtype: expected a method that writes/);
  await refused({ retain: undefined }, /--method spul: expected --retain FILE or --retain self/);
  const dp = { method: "dp_decoding", retain: undefined, promptTokens: undefined } as const;
  for (const [key, value] of Object.entries({ ...given, batch: 4, passes: 2, tunePasses: 3 })) {
    const message = new RegExp(`${flagName(key)}: expected an option of dp_decod`);
    await refused({ ...dp, [key]: value }, message);
  }
  await refused({ ...dp, positions: "suffix" }, /--positions: expected an option of dp_decoding/);
  await refused({ ...dp, retain: "self" }, /--retain: expected a method that takes retain text/);
  await refused({ ...dp, out: at("merged") }, /--out: expected a method that writes to weights/);
  await refused({ method: "ga", retain: undefined }, /--prompt-tokens: expected an option of ga/);
});

test("--rounding measures the weights that a patch acts beside, and refuses two models at once", async () => {
  const known = async (options: { patch?: string; rounding?: "4" }) =>
    (await evaluate({ model: target, forget, ...options, ...CUT })).forget!["suffix_nll"]!.value;
  for (const method of ["spul", "dp_decoding"] as const) {
    const patch = at(`${method}.safetensors`);
    const [plain, rounded, bare] = [
      await known({ patch }),
      await known({ patch, rounding: "4" }),
      await known({ rounding: "4" }),
    ];
    assert.ok(rounded !== plain && rounded !== bare, `${method}: ${rounded}, ${plain}, ${bare}`);
  }
  const two = { patch: at("contrastive_decoding.safetensors"), rounding: "4" } as const;
  await assert.rejects(known(two), /--rounding: expected a patch that runs one model/);
});

test("spul: --patch-dtype bfloat16 writes half the bytes, measured after rounding", async () => {
  const patch = at("spul-16.safetensors");
  const options = { ...common, ...METHODS.spul, epochs: 30 };
  const small = await erase({
    ...options,
    method: "spul",
    patchDtype: "bfloat16",
    patchOut: patch,
  });
  const again = await evaluate({ model: target, forget, heldout, patch, ...CUT });
  assert.deepEqual(again, small.after);
  const wide = statSync(at("spul.safetensors")).size;
  assert.ok(small.patch!.bytes < wide - 8 * 32, `${small.patch!.bytes} of ${wide} bytes`);
});

test("dp_decoding: likelihood falls, and every text is recited as before", async () => {
  const options = { ...common, epochs: 20, utilityBudget: 3, patchOut: at("dp.safetensors") };
  const result = await erase({ ...options, method: "dp_decoding", target: "ma=0.5,nll=1" });
  assert.equal(result.status, "incomplete");
  for (const metric of ["exact_match", "memorization_accuracy"]) {
    assert.deepEqual(result.after.forget![metric], result.before.forget![metric]);
  }
  assert.equal(result.after.forget!["exact_match"]!.value, 1);
  // within the budget of a model with nothing to spare it does nothing at all, and says so
  const at1 = {
    method: "dp_decoding",
    utilityBudget: 1,
    patchOut: at("dp-1.safetensors"),
  } as const;
  const none = await erase({ ...options, ...at1 });
  assert.deepEqual([none.status, none.patch], ["refused", null]);
});

test("contrastive_decoding: a reinforced model of chosen weights does as well as one of factors", async () => {
  const live = memory().liveTensors;
  const patch = at("contrast-sparse.safetensors");
  const options = { ...METHODS.contrastive_decoding, rank: undefined };
  const chosen = { select: "magnitude", scope: "linear", fraction: 0.2, frozen: 0 } as const;
  const result = await erase({
    ...{ ...common, ...options, ...chosen, patchOut: patch },
    ...{ method: "contrastive_decoding", tuneLr: 1e-3 },
  });
  assert.equal(result.status, "erased");
  assert.ok(result.selection.selected < 0.21 * result.selection.total);
  assert.deepEqual(await evaluate({ model: target, forget, heldout, patch, ...CUT }), result.after);
  assert.ok((await verifyPatch({ patch, model: target })).decoding!.strength > 0);
  assert.equal(memory().liveTensors, live);
});
