/** @file The recipes that come with the program are such that `erase` takes them. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { resolveFlags } from "../src/base/flags.ts";
import { readRecipe } from "../src/cli/recipe.ts";
import { packageRoot } from "../src/setup/paths.mjs";
import { settingsOf } from "../src/verbs/erase-settings.ts";
import { COMPARE, ERASE } from "../src/verbs/flags.ts";

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

test("numbers in JSON are taken where a flag has names of digits; errors name the recipe", () => {
  const given = { model: "m", forget: "texts.jsonl" };
  const of = (recipe: object) => resolveFlags(ERASE, given, { ...recipe }, { file: "r.json" });
  assert.equal(of({ rounding: 4 }).values.rounding, "4");
  const { seeds } = resolveFlags(COMPARE, given, { methods: ["em"], seeds: [0, 1] }).values;
  assert.deepEqual(seeds, ["0", "1"]);
  for (const [recipe, message] of [
    [{ rounding: 5 }, /^r\.json: --rounding: expected one of 4, 8, none, got 5\n/],
    [{ previous: [["a"]] }, /^r\.json: --previous: expected names separated by commas, got /],
    [{ lrr: 1 }, /^unknown option in r\.json: "--lrr"\. Did you mean --lr\?/],
  ] as const) {
    assert.throws(() => of(recipe), { message });
  }
  assert.throws(() => resolveFlags(ERASE, { ...given, lr: "x" }), { message: /^--lr: expected/ });
});
