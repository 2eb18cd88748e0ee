/** @file `audit` on a tiny model that recites half of the texts: its gate. */
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { audit } from "../src/index.ts";
import { join } from "node:path";
import { CUT, reciting } from "./reciting.ts";
import { sentences, temporary, textsFile } from "./tiny.ts";

const folder = temporary();
const at = (name: string) => join(folder, name);
const recited = sentences("recited", 3, 24);
const texts = textsFile(folder, "texts", [...recited, ...sentences("unseen", 3, 24)]);
const given = { model: at("target"), texts, ...CUT } as const;

before(() => reciting(folder, textsFile(folder, "recited", recited)));

test("--fail-on looks at its metric whether or not --metrics names it", async () => {
  const few = { ...given, metrics: ["exact_match"] };
  const { failed, ranked } = await audit({ ...few, failOn: "suffix_nll<2.5" });
  assert.equal(failed, "3 of 6 texts: suffix_nll<2.5");
  assert.ok(ranked.every((row) => typeof row["suffix_nll"] === "number"));
  assert.equal((await audit({ ...few, failOn: "suffix_nll<1e-9" })).failed, null);
});

test("--fail-on without a whole number is refused, not passed", async () => {
  for (const failOn of [
    "memorization_accuracy>1..2",
    "memorization_accuracy>=0.9.",
    "exact_match>.",
    "exact_match>",
    "exact_match>1e",
    "exact_match>-",
  ]) {
    await assert.rejects(audit({ ...given, failOn }), { exitCode: 2, message: /--fail-on: exp/ });
  }
});
