/** @file `audit` on a tiny model that recites half of the texts: its gate, and how an interrupted scan goes on. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { run } from "../src/cli/commands/audit.ts";
import { audit, type AuditResult } from "../src/index.ts";
import { readRun } from "../src/report/read-run.ts";
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
const eventsIn = (folder: string) => readRun(folder).events;
const linesIn = (folder: string): TextLine[] =>
  readFileSync(join(folder, "texts.jsonl"), "utf8")
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as TextLine);

/** A run as one that was interrupted behind some lines leaves it; `tail` stands after the lines. */
async function interrupted(
  name: string,
  {
    tail = "",
    lines: kept = 2,
    texts: own,
  }: { tail?: string; lines?: number; texts?: readonly string[] } = {},
): Promise<string> {
  const path = at(`run-${name}`);
  const scanned = own === undefined ? texts : textsFile(folder, `${name}-texts`, own);
  await call({ ...given, texts: scanned, run: path });
  const manifest = { ...manifestIn(path), status: "interrupted" };
  writeFileSync(join(path, "run.json"), JSON.stringify(manifest));
  const lines = linesIn(path).slice(0, kept);
  const content = lines.map((line) => `${JSON.stringify(line)}\n`).join("");
  writeFileSync(join(path, "texts.jsonl"), content + tail);
  return path;
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

test("--resume takes no row of another model, cut or text, and says so", async () => {
  const warned = (folder: string) => eventsIn(folder).filter((e) => e["type"] === "warning").length;
  const recitedIn = (folder: string) => (manifestIn(folder).results as AuditResult).recited;
  const same = await interrupted("same");
  const [first] = linesIn(same);
  await call({ resume: same });
  assert.deepEqual([linesIn(same)[0], warned(same)], [first, 0], "the row as it was");
  for (const [name, other] of [
    ["model", { model: at("base") }],
    ["cut", { prefixTokens: 8 }],
    ["metrics", { failOn: "suffix_nll<0", metrics: "exact_match,entropy" }],
  ] as const) {
    const folder = await interrupted(name);
    await call({ resume: folder, ...other });
    await call({ ...given, ...other, run: at(`${name}-anew`) });
    assert.equal(recitedIn(folder), recitedIn(at(`${name}-anew`)), name);
    const before = (path: string) => linesIn(path).map((line) => line.before);
    assert.deepEqual(before(folder), before(at(`${name}-anew`)), "one line a text");
    assert.equal(warned(folder), 1);
  }
  const changed = await interrupted("changed", { texts: [...recited, ...recited.slice(1)] });
  textsFile(folder, "changed-texts", sentences("changed", 4, 24)); // fewer, under the same ids
  await call({ resume: changed });
  assert.equal(recitedIn(changed), 0);
  assert.deepEqual([linesIn(changed).length, warned(changed)], [4, 1]);
});

test("texts that are too short are counted and named, once, also by a scan that goes on", async () => {
  const texts = ["abc", recited[0]!, "f", recited[1]!, "de"];
  const folder = await interrupted("short", { texts, lines: 4 });
  await call({ resume: folder });
  const { skipped, skipped_ids, ...result } = manifestIn(folder).results as AuditResult;
  const ids = ["short-texts-0", "short-texts-2", "short-texts-4"];
  assert.deepEqual([result.texts, skipped, skipped_ids], [2, 3, { texts: ids }]);
  assert.deepEqual(
    linesIn(folder).map(({ id, status }) => [id, status]),
    [0, 1, 2, 3, 4].map((i) => [`short-texts-${i}`, i % 2 === 0 ? "skipped" : "recited"]),
  );
  assert.ok(!eventsIn(folder).some((e) => e["type"] === "warning"));
  const { skipped_ids: none } = await audit(given);
  assert.equal(none, undefined);
});
