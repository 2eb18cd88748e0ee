/** @file Bad models and sets end in one clear message with the right exit code, and nothing is written. */
import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { UnreciteError } from "../src/base/errors.ts";
import { erase, evaluate, loadModel, memorize } from "../src/index.ts";
import { openCheckpoint, writeSafetensors, type SafetensorsEntry } from "../src/io/index.ts";
import { skippedLines } from "../src/cli/skipped.ts";
import { memory } from "../src/torch/index.ts";
import { CONFIG, sentences, temporary, textsFile, tinyModel } from "./tiny.ts";

const folder = temporary();
let made = 0;

/** A fresh tiny model, changed by `spoil`. */
async function spoiled(spoil: (dir: string) => void | Promise<void>): Promise<string> {
  const dir = join(folder, `model-${made++}`);
  mkdirSync(dir);
  await tinyModel(dir);
  await spoil(dir);
  return dir;
}

/** Rewrites the weights with some entries changed, dropped or added. */
async function rewrite(
  dir: string,
  change: (entry: SafetensorsEntry) => SafetensorsEntry[],
): Promise<void> {
  const checkpoint = await openCheckpoint(dir);
  const entries = checkpoint.names.map((name): SafetensorsEntry => {
    const tensor = checkpoint.tensor(name);
    const bytes = tensor.bytes();
    tensor.dispose();
    return { name, dtype: "float32", shape: checkpoint.info(name).shape, bytes: () => bytes };
  });
  checkpoint.close();
  await writeSafetensors(join(dir, "model.safetensors"), entries.flatMap(change), {
    metadata: { format: "pt" },
  });
}

const config = (dir: string, change: object) =>
  writeFileSync(join(dir, "config.json"), JSON.stringify({ ...CONFIG, ...change }));
const NORM = "model.norm.weight";

const CASES: [string, (dir: string) => void | Promise<void>, RegExp][] = [
  [
    "unknown model_type",
    (d) => config(d, { model_type: "lama" }),
    /unknown model_type "lama"\. Did you mean llama\?\n.*gpt_neo, llama/,
  ],
  [
    "a field of the config is missing",
    (d) => config(d, { hidden_size: undefined }),
    /config\.json: expected the fields of a llama model, got\n {2}hidden_size/,
  ],
  [
    "rotary scaling that we do not have",
    (d) => config(d, { rope_scaling: { rope_type: "yarn", factor: 4 } }),
    /expected rope_type default, linear or llama3, got "yarn"/,
  ],
  ["config.json is missing", (d) => rmSync(join(d, "config.json")), /config\.json/],
  ["tokenizer is missing", (d) => rmSync(join(d, "tokenizer.json")), /expected tokenizer\.json/],
  [
    "weights cut short",
    (d) => truncateSync(join(d, "model.safetensors"), 2000),
    /model\.safetensors/,
  ],
  [
    "a header that lies",
    (d) =>
      writeFileSync(
        join(d, "model.safetensors"),
        Buffer.concat([Buffer.from([200, 0, 0, 0, 0, 0, 0, 0]), Buffer.from('{"a":1}')]),
      ),
    /model\.safetensors/,
  ],
  [
    "a tensor is missing",
    (d) => rewrite(d, (e) => (e.name === NORM ? [] : [e])),
    /got missing model\.norm\.weight/,
  ],
  [
    "a tensor too many",
    (d) => rewrite(d, (e) => (e.name === NORM ? [e, { ...e, name: "model.extra.weight" }] : [e])),
    /got unexpected model\.extra\.weight/,
  ],
  [
    "a tensor of another shape",
    (d) => rewrite(d, (e) => (e.name === NORM ? [{ ...e, shape: [2, 16] }] : [e])),
    /model\.norm\.weight: expected shape \[32\], got \[2, 16\]/,
  ],
  [
    "NaN in the weights",
    (d) =>
      rewrite(d, (e) =>
        e.name === NORM
          ? [{ ...e, bytes: () => new Uint8Array(new Float32Array(32).fill(NaN).buffer) }]
          : [e],
      ),
    /model\.norm\.weight: expected finite weights, got NaN or infinity/,
  ],
  [
    "fewer tokens than the tokenizer has",
    (d) => {
      config(d, { vocab_size: 200 });
      return rewrite(d, (e) =>
        e.name === "model.embed_tokens.weight"
          ? [{ ...e, shape: [200, 32], bytes: () => new Uint8Array(200 * 32 * 4) }]
          : [e],
      );
    },
    /expected a tokenizer of at most 200 tokens \(vocab_size\), got 258/,
  ],
];

for (const [name, spoil, message] of CASES) {
  test(`model: ${name}`, async () => {
    const dir = await spoiled(spoil);
    const live = memory().liveTensors;
    await assert.rejects(loadModel(dir), (error: unknown) => {
      assert.ok(error instanceof UnreciteError, String(error));
      assert.equal(error.exitCode, 2);
      assert.match(error.message, message);
      assert.match(error.message, /\n {2}→ /, "a way out");
      return true;
    });
    assert.equal(memory().liveTensors, live);
  });
}

const cut = { prefixTokens: 12, suffixTokens: 12 };
const texts = sentences("a", 3, 24);

test("a text in two sets is refused, a set that only touches another is named", async () => {
  const model = await spoiled(() => undefined);
  const forget = textsFile(folder, "forget", texts);
  const kept = textsFile(folder, "kept", [texts[1]!]);
  await assert.rejects(
    erase({ model, forget, kept, target: "ma=1,nll=0", ...cut }),
    /expected no text in two sets/,
  );
  const warnings: string[] = [];
  const near = textsFile(folder, "near", [`${texts[0]!.slice(0, 14)}${sentences("b", 1, 10)[0]}`]);
  const onEvent = (event: { type: string; message?: string }) =>
    void (event.type === "warning" && warnings.push(event.message!));
  await erase({ model, forget, kept: near, target: "ma=1,nll=0", ...cut }, { onEvent });
  assert.match(warnings.join(), /forget and kept share runs of 8 tokens/);
});

test("evaluate refuses a text in two sets too, not one that is twice in a set", async () => {
  const model = await spoiled(() => undefined);
  const other = sentences("other", 300, 24); // more than a page
  const forget = textsFile(folder, "once", [...texts, texts[0]!]);
  const heldout = textsFile(folder, "again", [...other, texts[1]!]);
  await evaluate({ model, forget, ...cut });
  await assert.rejects(evaluate({ model, forget, heldout, ...cut }), {
    exitCode: 2,
    message: /expected no text in two sets, got forget:once-1 and heldout:again-300 with the same/,
  });
});

test("texts that are too short are named in the results of evaluate, memorize and erase", async () => {
  const model = await spoiled(() => undefined);
  const some = (name: string, more: readonly string[]) =>
    textsFile(folder, name, [...more, ...sentences(name, 2, 24)]);
  const [forget, kept] = [some("few", ["abc", "de"]), some("many", Array<string>(9).fill("f"))];
  const few = ["few-0", "few-1"];
  const measured = await evaluate({ model, forget, kept, ...cut });
  const many = measured.skipped_ids?.["kept"];
  assert.deepEqual(measured.skipped_ids, { forget: few, kept: many });
  assert.deepEqual(skippedLines(measured), [
    "skipped    2 of forget, too short: few-0, few-1",
    "skipped    9 of kept, too short: many-0, many-1, many-2, many-3, many-4, many-5, …",
  ]);
  const out = join(folder, "short-out");
  const made = await memorize({ model, texts: forget, general: kept, out, epochs: 1, ...cut });
  assert.deepEqual(made.skipped_ids, { texts: few, general: many });
  const heldout = some("held", ["g"]);
  const result = await erase({ model, forget, heldout, target: "ma=1,nll=0", ...cut });
  assert.deepEqual(result.skipped_ids, { forget: few, heldout: ["held-0"] });
  assert.equal(
    (await evaluate({ model, forget: some("none", []), ...cut })).skipped_ids,
    undefined,
  );
});

test("memorize whose gradient is no number says so, and writes nothing", async () => {
  const big = (e: SafetensorsEntry): SafetensorsEntry[] => {
    if (e.name !== "model.layers.0.mlp.up_proj.weight") return [e];
    const values = new Float32Array(e.shape.reduce((a, b) => a * b, 1)).fill(3e38);
    return [{ ...e, bytes: () => new Uint8Array(values.buffer) }];
  };
  const model = await spoiled((dir) => rewrite(dir, big));
  const [out, live] = [join(folder, "diverged"), memory().liveTensors];
  const general = textsFile(folder, "general-2", texts);
  await assert.rejects(
    memorize({ model, texts: textsFile(folder, "diverging", texts), general, out, ...cut }),
    /memorize: expected a finite loss and gradient, got .* at step 1\n {2}→ lower --lr/,
  );
  assert.ok(!existsSync(out));
  assert.equal(memory().liveTensors, live);
});

test("texts too short, settings that contradict each other, an output that is there already", async () => {
  const model = await spoiled(() => undefined);
  const forget = textsFile(folder, "forget-2", texts);
  const out = join(folder, "taken");
  mkdirSync(out);
  writeFileSync(join(out, "mine"), "");
  const start = readdirSync(folder).length;
  const run = (options: object) =>
    erase({ model, forget, target: "ma=0.01,nll=6", epochs: 1, ...cut, ...options });
  await assert.rejects(
    evaluate({ model, forget: textsFile(folder, "short", ["abc"]), ...cut }),
    /expected at least one text of 8 tokens or more, got none among 1/,
  );
  await assert.rejects(
    run({ prefixTokens: 200 }).then(() =>
      evaluate({
        model,
        forget: textsFile(folder, "long", sentences("c", 1, 400)),
        prefixTokens: 200,
        suffixTokens: 12,
      }),
    ),
    /expected windows of at most 128 tokens/,
  );
  await assert.rejects(
    run({ previous: ["nope"] }),
    /nope\/run\.json: expected run\.json of an earlier erase, got nothing there\n {2}→ /,
  );
  await assert.rejects(run({ project: "self" }), /--project self: expected a selector of weights/);
  await assert.rejects(
    run({ out: join(folder, "alone") }),
    /--out: expected --patch-out beside it where there is no run, got none/,
  );
  await assert.rejects(
    run({ scope: "all" }),
    /--scope all: expected linear, mlp or attention with --select directions/,
  );
  await assert.rejects(
    run({ method: "em", beta: 2 }),
    /--beta: expected an option of em \(none of its own\), got one that it does not have/,
  );
  await assert.rejects(
    run({ method: "undial", smoothing: 0.5 }),
    /--smoothing: expected an option of undial \(--gamma\), got one that it does not have/,
  );
  await assert.rejects(
    run({ method: "em", tuneLr: 0.1 }),
    /--tune-lr: expected an option of em \(none of its own\), got one that it does not have/,
  );
  await assert.rejects(
    run({ method: "task_arithmetic", passes: 2 }),
    /--passes: expected an option of task_arithmetic \(--tune-passes, --tune-lr\), got one/,
  );
  await assert.rejects(
    run({ method: "task_arithmetic", retain: "self" }),
    /--retain: expected a method that takes retain text, got --method task_arithmetic/,
  );
  await assert.rejects(run({ method: "ssd" }), /--method ssd: expected --retain FILE or --retain/);
  const ssd = { method: "ssd", retain: "self" };
  await assert.rejects(run({ ...ssd, alpha: 2 }), /--alpha: expected a method with a retain term/);
  await assert.rejects(run({ ...ssd, batch: 2 }), /--batch: expected an option of ssd \(none of/);
  await assert.rejects(
    run({ ...ssd, select: "directions", scope: "linear" }),
    /--select directions: expected a selector of weights with ssd, which dampens weights/,
  );
  await assert.rejects(
    run({ method: "ga", threshold: 0.5 }),
    /--threshold: expected an option of ga \(none of its own\), got one that it does not have/,
  );
  const rmu = { method: "rmu", retain: "self" };
  await assert.rejects(run({ method: "rmu" }), /--method rmu: expected --retain FILE or --retain/);
  await assert.rejects(
    run({ ...rmu, layer: 2 }),
    /--layer: expected a block of this model, 0 to 1/,
  );
  await assert.rejects(
    run({ ...rmu, frozen: 0.5 }),
    /--frozen: expected an option of rmu \(--layer/,
  );
  await assert.rejects(run({ ...rmu, scope: "all" }), /--scope all: expected linear layers or no-/);
  await assert.rejects(run({ method: "em", layer: 1 }), /--layer: expected an option of em/);
  await assert.rejects(
    run({ method: "balanced_subnet" }),
    /--method balanced_subnet: expected --retain FILE or --retain self, got none/,
  );
  await assert.rejects(run({ method: "npo", beta: 0 }), /--beta: expected more than 0 with npo/);
  await assert.rejects(
    run({ method: "graddiff" }),
    /--method graddiff: expected --retain FILE or --retain self, got none/,
  );
  await assert.rejects(
    run({ method: "dpo" }),
    /--method dpo: expected --alternative FILE, got none/,
  );
  await assert.rejects(
    run({ method: "dpo", alternative: textsFile(folder, "other", sentences("o", 3, 24)) }),
    /expected a text of 8 tokens or more for each id of the forget set, got none for forget-2-0/,
  );
  await assert.rejects(
    run({ method: "dpo", alternative: forget, retain: "self" }),
    /--retain: expected a method that takes retain text, got --method dpo/,
  );
  await assert.rejects(
    run({ alternative: forget }),
    /--alternative: expected --method dpo, got --method emso/,
  );
  await assert.rejects(run({ alpha: 2 }), /--alpha: expected --retain beside it, got none/);
  await assert.rejects(run({ retain: forget }), /expected no text in two sets, got forget:/);
  await assert.rejects(
    run({ fraction: 0.1 }),
    /--fraction: expected a --select that reads it, got --select directions/,
  );
  await assert.rejects(
    run({ method: "em", rank: 4 }),
    /--rank: expected a --select that reads it, got --select dense/,
  );
  await assert.rejects(
    run({ target: "nothing" }),
    /--target: expected reference, unseen, natural, or ma=0\.35,nll=2\.8, got "nothing"/,
  );
  await assert.rejects(
    run({ target: "unseen" }),
    /--target unseen: expected --unseen FILE, got none/,
  );
  await assert.rejects(
    run({ patchOut: join(folder, "p"), out, dtype: "float32" }),
    /taken: expected a folder that is new or empty/,
  );
  assert.deepEqual(readdirSync(out), ["mine"]);
  assert.ok(
    readdirSync(folder).length <= start + 3,
    "nothing but the texts and the patch was written",
  );
  assert.equal(existsSync(join(folder, "nothing")), false);
  assert.equal(readFileSync(join(out, "mine"), "utf8"), "");
});

const gpu = existsSync("/dev/nvidiactl");
test("--device cuda without a GPU is exit 3's error", { skip: gpu }, async () => {
  const model = await spoiled(() => undefined);
  const texts = textsFile(folder, "forget", sentences("forget", 4, 24));
  await assert.rejects(
    evaluate({ model, forget: texts, device: "cuda" }),
    (error: UnreciteError) =>
      error.exitCode === 3 && /--device cuda: expected a LibTorch with CUDA/.test(error.message),
  );
});

test("--memory too small is exit 3's error, not a crash", async () => {
  const model = await spoiled(() => undefined);
  const forget = textsFile(folder, "forget-3", sentences("m", 64, 100));
  await assert.rejects(
    evaluate({
      model,
      forget,
      prefixTokens: 50,
      suffixTokens: 50,
      memory: 1_000_000,
      device: "cpu",
    }),
    { code: "OOM" },
  );
});
