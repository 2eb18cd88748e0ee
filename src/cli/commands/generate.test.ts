/** @file `generate` on the command line. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporary, tinyModel } from "../../../tests/tiny.ts";

const folder = temporary();
const model = await tinyModel(folder); // of 128 positions

const generate = (...args: string[]) =>
  spawnSync(process.execPath, ["--import", "tsx", "src/cli/main.ts", "generate", ...args], {
    env: { ...process.env, NODE_NO_WARNINGS: "1" },
    encoding: "utf8",
  });

test("more tokens than the model has positions are refused, with the number that fits", () => {
  const asked = ["--model", model, "--prompt", "abc", "--max-tokens"];
  const many = generate(...asked, "500");
  assert.equal(many.status, 2, many.stderr);
  assert.match(many.stderr, /at most 128 tokens in all .*, got \d+ of the prompt \+ 500\n/);
  const [, fits] = /ask for (\d+) tokens or fewer/.exec(many.stderr)!;
  assert.equal(generate(...asked, fits!).status, 0);
  assert.equal(generate(...asked, String(Number(fits) + 1)).status, 2);
});

test("--recipe gives its flags, and the flags win", () => {
  const recipe = join(folder, "recipe.json");
  writeFileSync(recipe, JSON.stringify({ about: "test", model, prompt: "abc", "max-tokens": 500 }));
  const made = generate("--recipe", recipe, "--max-tokens", "4", "--json");
  assert.equal(made.status, 0, made.stderr);
  assert.equal((JSON.parse(made.stdout) as { prompt: string }).prompt, "abc");
  const missing = generate("--recipe", join(folder, "none.json"));
  assert.equal(missing.status, 2);
  assert.match(missing.stderr, /none\.json: expected a recipe, got nothing there\n {2}→ /);
});
