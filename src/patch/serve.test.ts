import assert from "node:assert/strict";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openModel, writeCheckpoint } from "../io/index.ts";
import { loadModel } from "../models/index.ts";
import { memory, neg, tensor } from "../torch/index.ts";
import { about, sparsePatch } from "../../tests/patch-fixtures.ts";
import { noise, temporary, tinyModel } from "../../tests/tiny.ts";
import { openPatch, servePatch, writeFactors } from "./index.ts";

const folder = temporary();
const at = (...names: string[]) => join(folder, ...names);
const layer = "model.layers.0.mlp.up_proj";
mkdirSync(at("base"));
const base = await tinyModel(at("base"));
await sparsePatch(base, at("sparse"), { names: [`${layer}.weight`] });
await factors(at("factors"));
const PATCHES = ["factors", "sparse"];

async function factors(to: string): Promise<void> {
  const source = await openModel(base);
  const of = (name: string, rows: number) =>
    tensor(noise(name, 2 * rows, 0.3), { shape: [rows, 2] });
  const [u, b] = [of("u", 32), of("b", 64)];
  await writeFactors(to, source, new Map([[layer, { u, b }]]), about(base));
  for (const made of [u, b]) made.dispose();
  source.close();
}

/** How the model at `dir` runs under a patch: done with at once, or what it is refused with. */
async function served(patch: string, dir: string): Promise<void> {
  const [opened, model] = [await openPatch(patch), await loadModel(dir)];
  try {
    (await servePatch(opened, model)).dispose();
  } finally {
    opened.close();
    model.dispose();
  }
}

test("weights beside the changed ones are the base's, too, or the patch is not served", async () => {
  const live = memory().liveTensors;
  const source = await openModel(base);
  await writeCheckpoint(at("other"), source, {
    tensor: (name) => (name.includes("self_attn") ? neg(source.tensor(name)) : undefined),
  });
  source.close();
  for (const patch of PATCHES) {
    await served(at(patch), base);
    const other = served(at(patch), at("other"));
    await assert.rejects(other, /expected the model this patch was made for .*self_attn.* differs/);
  }
  assert.equal(memory().liveTensors, live);
});

test("a damaged patch of weights is not served", async () => {
  cpSync(at("sparse"), at("damaged"));
  const bytes = readFileSync(at("damaged"));
  bytes[bytes.indexOf('\\"method\\":\\"test') + 16]! ^= 1;
  writeFileSync(at("damaged"), bytes);
  await assert.rejects(served(at("damaged"), base), /expected an unchanged patch/);
});
