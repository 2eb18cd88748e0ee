/** @file The recipes that come with the program are such that `erase` takes them. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { resolveFlags } from "../src/base/flags.ts";
import { readRecipe } from "../src/cli/recipe.ts";
import { packageRoot } from "../src/setup/paths.mjs";
import { settingsOf } from "../src/verbs/erase-settings.ts";
import { ERASE } from "../src/verbs/flags.ts";

const folder = join(packageRoot(), "recipes");

for (const file of readdirSync(folder).filter((f) => f.endsWith(".json"))) {
  test(`${file}: its settings are flags of erase, given a forget set`, async () => {
    const recipe = await readRecipe(join(folder, file));
    const { values, origins } = resolveFlags(ERASE, { forget: "texts.jsonl" }, recipe);
    assert.equal(origins["model"], "recipe");
    assert.equal(values.prefixTokens, 50);
    assert.ok(settingsOf(values, { hasSpans: false }).epochs > 0, "a method's settings");
  });
}
