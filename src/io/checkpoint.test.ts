import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { tensor } from "../torch/index.ts";
import { openCheckpoint } from "./checkpoint.ts";
import { writeCheckpoint } from "./checkpoint-write.ts";
import { messageFrom, temporaryFolder, tinyTokenizer } from "../../tests/io-fixtures.ts";
import { openModel } from "./model-source.ts";
import { headerOf, writeSafetensors } from "./safetensors-write.ts";

const { folder, put } = temporaryFolder();
const bytesOf = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);
const vector = (name: string, ...values: number[]) => ({
  name,
  dtype: "float32" as const,
  shape: [values.length],
  bytes: () => bytesOf(...values),
});

/** A directory of two shards with an index, config and tokenizer. */
async function sharded(name: string, map: Record<string, string> = {}): Promise<string> {
  const dir = join(folder, name);
  await writeSafetensors(join(dir, "model-1.safetensors"), [vector("a", 1, 2), vector("c", 5)], {
    metadata: { format: "pt", note: "x" },
  });
  await writeSafetensors(join(dir, "model-2.safetensors"), [vector("b", 3, 4)]);
  const weight_map = {
    a: "model-1.safetensors",
    c: "model-1.safetensors",
    b: "model-2.safetensors",
    ...map,
  };
  put(
    `${name}/model.safetensors.index.json`,
    JSON.stringify({ metadata: { total_size: 20 }, weight_map }),
  );
  put(`${name}/config.json`, JSON.stringify({ model_type: "llama", torch_dtype: "float32" }));
  put(`${name}/tokenizer.json`, tinyTokenizer());
  put(`${name}/notes.txt`, "not a part of the model");
  return dir;
}

test("shards are opened, and written again with the same files, maps and metadata", async () => {
  const model = await openModel(await sharded("two"));
  assert.deepEqual(model.names, ["a", "b", "c"]);
  const out = join(folder, "two-out");
  await writeCheckpoint(out, model, {
    tensor: (name) => (name === "b" ? tensor([7, 8]) : undefined),
    metadata: { by: "us" },
  });
  assert.deepEqual(readdirSync(out), [
    "config.json",
    "model-1.safetensors",
    "model-2.safetensors",
    "model.safetensors.index.json",
    "tokenizer.json",
  ]);
  const again = await openModel(out);
  assert.deepEqual(
    again.shards.map(({ metadata }) => ({ ...metadata })),
    [
      { by: "us", format: "pt", note: "x" },
      { by: "us", format: "pt" },
    ],
  );
  assert.deepEqual([...again.tensor("a").toFloats()], [1, 2]);
  assert.deepEqual([...again.tensor("b").toFloats()], [7, 8]);
  assert.notEqual(await again.hash(), await model.hash());
  const half = join(folder, "two-half");
  await writeCheckpoint(half, model, { dtype: "bfloat16" });
  const narrow = await openModel(half);
  assert.equal(narrow.info("a").dtype, "bfloat16");
  assert.equal(narrow.config["torch_dtype"], "bfloat16");
  for (const source of [model, again, narrow]) source.close();
});

test("the hash does not depend on shards", async () => {
  const dir = await sharded("split");
  const single = join(folder, "single");
  await writeSafetensors(join(single, "model.safetensors"), [
    vector("c", 5),
    vector("b", 3, 4),
    vector("a", 1, 2),
  ]);
  for (const file of ["config.json", "tokenizer.json"]) {
    copyFileSync(join(dir, file), join(single, file));
  }
  const [one, two] = [await openModel(single), await openModel(dir)];
  assert.equal(await one.hash(), await two.hash());
});

test("a tensor that is not aligned is read all the same", async () => {
  const dir = join(folder, "odd");
  mkdirSync(dir);
  const header = Buffer.from(
    '{"u":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"f":{"dtype":"F32","shape":[2],"data_offsets":[1,9]}}',
  );
  const length = Buffer.from(BigUint64Array.of(BigInt(header.length)).buffer);
  put("odd/model.safetensors", Buffer.concat([length, header, Buffer.of(9), bytesOf(1.5, -2)]));
  const checkpoint = await openCheckpoint(dir);
  assert.deepEqual([...checkpoint.tensor("f").toFloats()], [1.5, -2]);
  checkpoint.close();
});

test("says what is wrong with shards and their index", async () => {
  const missing = await sharded("missing");
  rmSync(join(missing, "model-2.safetensors"));
  assert.equal(
    await messageFrom(() => openCheckpoint(missing), folder),
    "missing/model.safetensors.index.json: expected 2 shards, got 1: model-2.safetensors missing\n  → fetch the missing files into the directory",
  );
  const again =
    "\n  → the shards and the index are of different models or versions: fetch them again";
  assert.equal(
    await messageFrom(
      async () => openCheckpoint(await sharded("more", { d: "model-2.safetensors" })),
      folder,
    ),
    `more/model.safetensors.index.json: tensor d: expected it in model-2.safetensors, got a shard without it${again}`,
  );
  const less = await sharded("less");
  put(
    "less/model.safetensors.index.json",
    JSON.stringify({ weight_map: { a: "model-1.safetensors", b: "model-2.safetensors" } }),
  );
  assert.equal(
    await messageFrom(() => openCheckpoint(less), folder),
    `less/model-1.safetensors: tensor c: expected it in the index, got it listed nowhere${again}`,
  );
  assert.match(
    await messageFrom(
      async () => openCheckpoint(await sharded("out", { a: "../x.safetensors" })),
      folder,
    ),
    /^out\/model\.safetensors\.index\.json: tensor a: expected the name of a \.safetensors file, got "\.\.\/x\.safetensors"/,
  );
});

test("refuses adapters, pickles and directories without weights, with the way out", async () => {
  put("adapter/adapter_config.json", '{"base_model_name_or_path":"owner/base"}');
  assert.match(
    await messageFrom(() => openModel(join(folder, "adapter")), folder),
    /^adapter: expected a model, got an adapter .*\n {2}→ merge it: python -c ".*merge_and_unload.*\(base: owner\/base\)$/,
  );
  put("pickle/pytorch_model.bin", "x");
  put("pickle/config.json", "{}");
  assert.match(
    await messageFrom(() => openModel(join(folder, "pickle")), folder),
    /^pickle: expected model\.safetensors, got a pickle \(pytorch_model\.bin\), which can run code\n {2}→ convert it: python -c /,
  );
  put("nothing/readme", "x");
  assert.match(
    await messageFrom(() => openModel(join(folder, "nothing")), folder),
    /^nothing: expected model\.safetensors or model\.safetensors\.index\.json, got readme\n/,
  );
  assert.match(
    await messageFrom(() => openModel(join(folder, "absent")), folder),
    /^absent: expected a model .*, got nothing there\n {2}→ check the path$/,
  );
  assert.match(
    await messageFrom(() => openModel("owner/name")),
    /→ for a model of the Hugging Face hub write hf:owner\/name$/,
  );
  put("bare/model.safetensors", headerOf([]));
  assert.match(
    await messageFrom(() => openModel(join(folder, "bare")), folder),
    /^bare\/config\.json: expected config\.json of a model, got nothing there/,
  );
  put("broken/model.safetensors", headerOf([]));
  put("broken/config.json", "{");
  assert.match(
    await messageFrom(() => openModel(join(folder, "broken")), folder),
    /^broken\/config\.json: expected JSON, got: /,
  );
});

test("a checkpoint that cannot be written whole is not written at all", async () => {
  const model = await openModel(await sharded("fail"));
  const out = join(folder, "fail-out");
  const wrong = () =>
    writeCheckpoint(out, model, { tensor: (name) => (name === "c" ? tensor([1, 2]) : undefined) });
  assert.equal(await messageFrom(wrong, folder), "c: expected new values of shape [1], got [2]");
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.includes("fail-out")),
    [],
  );
  put("file", "x");
  assert.match(
    await messageFrom(() => writeCheckpoint(join(folder, "file/out"), model), folder),
    /^file\/out: expected folders on the way to it, got a file/,
  );
  assert.equal(readFileSync(join(folder, "file"), "utf8"), "x");
});

test("a tensor is hashed once for as long as the model is open", async () => {
  const dir = await sharded("hashed");
  const model = await openModel(dir);
  const whole = await model.hash();
  const each = await Promise.all(model.names.map((name) => model.tensorHash(name)));
  for (const { file } of model.shards) rmSync(join(dir, file));
  assert.deepEqual(await Promise.all(model.names.map((name) => model.tensorHash(name))), each);
  assert.equal(await model.hash(), whole);
  model.close();
});
