/** @file `audit` on a tiny model that recites half of the texts: its gate, and how an interrupted scan goes on. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { run } from "../src/cli/commands/audit.ts";
import { audit } from "../src/index.ts";
import type { Manifest, TextLine } from "../src/run/index.ts";
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

const call = (given: Record<string, unknown>): Promise<number> =>
  run({ operands: [], given, json: false, quiet: true, recipe: undefined });
const manifestIn = (folder: string) =>
  JSON.parse(readFileSync(join(folder, "run.json"), "utf8")) as Manifest;
const linesIn = (folder: string): TextLine[] =>
  readFileSync(join(folder, "texts.jsonl"), "utf8")
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as TextLine);

/** A run as one that was interrupted behind its second text leaves it; `tail` stands after the lines. */
async function interrupted(name: string, { tail = "" }: { tail?: string } = {}): Promise<string> {
  const folder = at(name);
  await call({ ...given, run: folder });
  const manifest = { ...manifestIn(folder), status: "interrupted" };
  writeFileSync(join(folder, "run.json"), JSON.stringify(manifest));
  const lines = linesIn(folder).slice(0, 2);
  const content = lines.map((line) => `${JSON.stringify(line)}\n`).join("");
  writeFileSync(join(folder, "texts.jsonl"), content + tail);
  return folder;
}

test("--resume goes on behind a line torn by a crash, and refuses a file that holds something else", async () => {
  const torn = await interrupted("torn", { tail: '{"id":"te' });
  await call({ resume: torn });
  assert.deepEqual(
    linesIn(torn).map((line) => line.id),
    [0, 1, 2, 3, 4, 5].map((i) => `texts-${i}`),
  );
  const odd = await interrupted("odd", { tail: "garbage\n" });
  await assert.rejects(call({ resume: odd }), {
    exitCode: 2,
    message: /texts\.jsonl: line 3: expected the JSON of a text.*\n {2}→ remove the file/,
  });
});

test("--resume of what is no run of ours names the file and a way out", async () => {
  const folder = await interrupted("foreign");
  const path = join(folder, "run.json");
  const whole = readFileSync(path, "utf8");
  for (const [content, message] of [
    [whole.slice(0, 200), /run\.json: expected JSON.*\n {2}→ .*start a new run/],
    ["{}", /run\.json: expected schema/],
    ['{"schema":"unrecite/run/v1","command":"audit"}', /run\.json: expected schema/],
    ["null", /run\.json: expected schema/],
  ] as const) {
    writeFileSync(path, content);
    await assert.rejects(call({ resume: folder }), { exitCode: 2, message });
  }
});
