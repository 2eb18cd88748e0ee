import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { chainHead } from "../run/events.ts";
import { eraseResult, manifest, TEXTS } from "../../tests/report-fixture.ts";
import { readRun } from "./read-run.ts";

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "unrecite-report-"));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

function chained(count: number): string[] {
  const lines: string[] = [];
  for (let i = 0; i < count; i++) {
    const previous = lines.length === 0 ? null : chainHead(lines.at(-1)!);
    lines.push(JSON.stringify({ type: "step", step: i, previous }));
  }
  return lines;
}

test("reads a run; a torn last line of either file is dropped", (t) => {
  const path = folder(t);
  const events = chained(3);
  const run = manifest(eraseResult(), { eventsHead: chainHead(events[2]!) });
  writeFileSync(join(path, "run.json"), JSON.stringify(run));
  writeFileSync(join(path, "events.jsonl"), `${events.join("\n")}\n{"type":"st`);
  const texts = TEXTS.map((line) => JSON.stringify(line)).join("\n");
  writeFileSync(join(path, "texts.jsonl"), `${texts}\n{"id":"to`);
  const data = readRun(path);
  assert.deepEqual(data.manifest, run);
  assert.deepEqual(data.texts, TEXTS);
  assert.equal(data.events.length, 3);
  assert.deepEqual(data.log, { torn: true, sealed: true });
});

test("texts and events may not be there yet", (t) => {
  const path = folder(t);
  writeFileSync(join(path, "run.json"), JSON.stringify(manifest(null, { eventsHead: null })));
  assert.deepEqual(readRun(path).texts, []);
  assert.deepEqual(readRun(path).log, { torn: false, sealed: true });
});

test("a folder without run.json, or with another kind of it, is refused with exit code 2", (t) => {
  const path = folder(t);
  assert.throws(() => readRun(path), { exitCode: 2, message: /run\.json, got none/ });
  writeFileSync(join(path, "run.json"), "{");
  assert.throws(() => readRun(path), { exitCode: 2, message: /expected JSON/ });
  writeFileSync(join(path, "run.json"), "{}");
  assert.throws(() => readRun(path), { exitCode: 2, message: /expected schema/ });
});

test("a log that was changed is refused", (t) => {
  const path = folder(t);
  writeFileSync(join(path, "run.json"), JSON.stringify(manifest(null)));
  const [first, ...rest] = chained(3);
  const lines = [first!.replace('"step":0', '"step":9'), ...rest];
  writeFileSync(join(path, "events.jsonl"), `${lines.join("\n")}\n`);
  assert.throws(() => readRun(path), { exitCode: 1, message: /the log was changed/ });
});
