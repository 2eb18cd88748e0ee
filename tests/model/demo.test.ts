/** @file The demo model: GGUF in, transformers' greedy tokens out; written as a directory and read back, nothing changes. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { openModel, writeCheckpoint } from "../../src/io/index.ts";
import { generate, loadModel } from "../../src/models/index.ts";
import { demoModelPath } from "../../src/setup/paths.mjs";
import { memory } from "../../src/torch/index.ts";
import { temporary } from "../tiny.ts";

// From transformers 5.23 on the directory that writeCheckpoint makes, float32, greedy, no stop token.
const GREEDY: [string, number[]][] = [
  [
    "The capital of France is",
    [
      7042, 30, 198, 198, 504, 2988, 314, 42, 216, 34, 32, 33, 40, 29, 32, 33, 29, 34, 34, 216, 33,
      34, 42, 33,
    ],
  ],
  [
    "def fibonacci(n):",
    [
      472, 585, 304, 1758, 216, 32, 42, 448, 1003, 216, 33, 472, 1003, 304, 1672, 3987, 46477, 24,
      94, 731, 216, 33, 25, 198,
    ],
  ],
  [
    "Once upon a time, in a small village by the sea,",
    [
      665, 436, 253, 9357, 1573, 267, 19341, 3365, 17644, 793, 30, 909, 4161, 281, 253, 11637,
      10000, 411, 253, 3953, 4480, 4412, 351, 511,
    ],
  ],
];

async function complete(spec: string): Promise<number[][]> {
  const model = await loadModel(spec);
  try {
    const prompts = GREEDY.map(([text]) => model.tokenizer.encode(text, { addSpecial: false }));
    return await generate(model.arch, model.weights, prompts, { maxTokens: 24 });
  } finally {
    model.dispose();
  }
}

test("greedy tokens of three prompts in one left-padded batch are transformers'", async () => {
  assert.deepEqual(
    await complete(demoModelPath()),
    GREEDY.map(([, tokens]) => tokens),
  );
});

test("written as a directory and read back, it says the same, and no tensor is left", async () => {
  const out = join(temporary(), "model");
  const source = await openModel(demoModelPath());
  await writeCheckpoint(out, source);
  source.close();
  assert.deepEqual(
    await complete(out),
    GREEDY.map(([, tokens]) => tokens),
  );
  assert.equal(memory().liveTensors, 0);
});
