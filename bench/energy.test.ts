import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { memory } from "../src/torch/index.ts";
import { sentences, temporary, tinyModel } from "../tests/tiny.ts";
import { energy } from "./energy.ts";

const folder = temporary();

const write = (name: string, texts: readonly string[]) =>
  writeFileSync(
    join(folder, `${name}.jsonl`),
    texts.map((text, i) => `${JSON.stringify({ id: `${i}`, text })}\n`).join(""),
  );

const valueOf = (rows: Awaited<ReturnType<typeof energy>>, part: string): number[] =>
  rows.filter((r) => r.name.includes(part)).map((r) => r.value);

test("energy: kept texts that are the texts to forget hear all that those hear; own text hears less", async () => {
  const target = join(folder, "target");
  mkdirSync(target);
  await tinyModel(target);
  const texts = sentences("energy", 16, 80);
  write("forget", texts.slice(0, 8));
  write("kept", texts.slice(0, 8));
  const live = memory().liveTensors;
  const same = await energy(folder);
  assert.equal(memory().liveTensors, live, "nothing is left");
  assert.deepEqual(valueOf(same, "stand in some text"), [1]);
  const shares = valueOf(same, "all together");
  assert.ok(shares.length >= 2, "into and inside the MLPs");
  for (const share of shares) assert.ok(Math.abs(share - 1) < 1e-4, `${share}`);

  write("kept", texts.slice(8));
  const others = await energy(folder);
  assert.ok(valueOf(others, "all together").every((share) => Math.abs(share - 1) > 1e-3));
  const contrasted = others.filter((r) => /own samples.* groups/.test(r.name));
  assert.ok(contrasted.length >= 2, "into and inside");
  for (const row of contrasted) assert.ok(row.ratio! < 1, `${row.name}: x ${row.ratio}`);
});

test("energy: without a target it says where one comes from", async () => {
  await assert.rejects(energy(join(folder, "none")), /expected a target in .*none.*got none/);
});
