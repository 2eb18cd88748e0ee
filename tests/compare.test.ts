/** @file Several methods on one tiny target: rows, what is found again, what fails, what is refused, the table and the report. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { flagName } from "../src/base/flags.ts";
import { compareResult } from "../src/eval/index.ts";
import { compare, evaluate, type CompareHooks, type CompareOptions } from "../src/index.ts";
import type { Manifest } from "../src/run/index.ts";
import { runCell } from "../src/verbs/cell.ts";
import { CUT, reciting } from "./reciting.ts";
import { sentences, temporary, textsFile } from "./tiny.ts";

const folder = temporary();
const at = (name: string) => join(folder, name);
const sets = {
  forget: textsFile(folder, "forget", sentences("forget", 4, 24)),
  kept: textsFile(folder, "kept", sentences("kept", 4, 24)),
  heldout: textsFile(folder, "held", sentences("held", 6, 48)),
};
const given: CompareOptions = {
  methods: ["emso", "ga"],
  model: at("target"),
  ...sets,
  ...CUT,
  epochs: 3,
  target: "ma=0.6,nll=1.5",
  utilityBudget: 5,
  dtype: "float32",
};

before(() => {
  const all = [...sentences("forget", 4, 24), ...sentences("kept", 4, 24)];
  return reciting(folder, textsFile(folder, "all", all));
});

test("a row for each method and seed; a second comparison finds the runs again", async () => {
  const cache = at("cache");
  const hashed: string[] = [];
  const onFacts: CompareHooks["onFacts"] = ({ hashes = {} }) =>
    void hashed.push(...Object.keys(hashes));
  const first = await compare({ ...given, cache, seeds: ["0", "1"] }, { onFacts });
  const texts = ["texts:forget", "texts:kept", "texts:heldout"];
  assert.deepEqual(hashed, ["model", "tokenizer", ...texts]);
  compareResult.parse(first);
  assert.deepEqual(
    first.rows.map((r) => [r.method, r.seed, r.reused]),
    [
      ["emso", 0, false],
      ["emso", 1, false],
      ["ga", 0, false],
      ["ga", 1, false],
    ],
  );
  const ga = first.rows[2]!;
  assert.ok(ga.course.at(-1)!.suffix_nll > first.before!.forget!["suffix_nll"]!.value);
  assert.equal(ga.course.length, ga.epochs);
  assert.equal(ga.after!.forget!["suffix_nll"]!.value, ga.suffix_nll);
  assert.deepEqual([ga.settings["loss"], ga.settings["epochs"]], ["ga", 3]);
  const kept = JSON.parse(readFileSync(join(ga.run, "run.json"), "utf8")) as Manifest;
  const inForce = Object.entries(kept.settings).map(([key, { value }]) => [key, value]);
  assert.deepEqual(ga.settings, Object.fromEntries(inForce));
  assert.ok(ga.gradient_range! >= 1);
  assert.equal(first.oracle, null);
  const again = await compare({ ...given, cache, methods: ["ga", "npo"], oracle: at("base") });
  const alone = await evaluate({ model: at("base"), ...sets, ...CUT });
  assert.deepEqual(again.oracle, alone); // and it makes no other run of one: ga is found again
  assert.deepEqual(
    again.rows.map((r) => r.reused),
    [true, false],
  );
  assert.deepEqual({ ...again.rows[0]!, reused: false }, ga);
  // another text under the same name is another comparison
  textsFile(folder, "held", sentences("other", 6, 48));
  const other = await compare({ ...given, cache, methods: ["ga"] });
  assert.equal(other.rows[0]!.reused, false);
  textsFile(folder, "held", sentences("held", 6, 48));
});

test("a run that collapses is a result, one that fails a row with its error", async () => {
  const options = { method: "ga", lr: 1, ...given, epochs: 40 } as Record<string, unknown>;
  delete options["methods"];
  const outcome = await runCell(
    {
      folder: at("diverged"),
      options: { ...(options as Record<string, string>), utilityBudget: 100 },
    },
    {},
  );
  assert.ok(outcome.status === "done", "a collapse is measured, not an error");
  assert.match(outcome.result.status, /refused|incomplete|erased/);
  const broken = await runCell({ folder: at("broken"), options: { model: at("nothing") } }, {});
  assert.equal(broken.status, "failed");
  assert.match(broken.status === "failed" ? broken.error : "", /--forget: expected a value/);
  // what failed at work stays to be looked at; another attempt has a folder of its own
  const short = { ...(options as Record<string, string>), memory: 1_000_000 };
  const attempt = () => runCell({ folder: at("short"), options: short }, {});
  const attempts = [...(await Promise.all([attempt(), attempt()])), await attempt()];
  assert.ok(attempts.every((x) => x.status === "failed"));
  const folders = attempts.map((x) => x.folder);
  assert.deepEqual(folders.sort(), [at("short"), at("short.2"), at("short.3")]);
});

test("what would be refused is refused before any run begins", async () => {
  const refused = (options: Partial<CompareOptions>, message: RegExp) =>
    assert.rejects(compare({ ...given, cache: at("never"), ...options }), message);
  await refused({ methods: ["emso", "gaa"] }, /unknown method "gaa"\. Did you mean ga\?/);
  await refused({ methods: ["graddiff"] }, /expected --retain/);
  await refused({ methods: ["dpo"] }, /expected --alternative/);
  await refused({ methods: ["ga", "ga"] }, /got ga twice/);
  await refused({ seeds: ["-1"] }, /--seeds: expected integers from 0 on, got "-1"/);
  await refused({ forget: "-" }, /--forget: expected a file, got -/);
  assert.equal(existsSync(at("never")), false);
});

test("two comparisons on one cache at once: one runs, the other waits and finds its run", async () => {
  const options = { ...given, cache: at("shared"), methods: ["ga"] };
  const both = await Promise.all([compare(options), compare(options)]);
  const rows = both.map((r) => r.rows[0]!);
  assert.deepEqual(
    rows.map((r) => r.error),
    [null, null],
  );
  assert.deepEqual(rows.map((r) => r.reused).sort(), [false, true]);
  assert.deepEqual({ ...rows[0]!, reused: true }, { ...rows[1]!, reused: true });
});

test("a run that failed is a row; the command exits with 1 where none ended", () => {
  const main = ["--import", "tsx", "src/cli/main.ts", "compare", "--json", "--quiet"];
  const short = textsFile(at("."), "short", ["short"]); // too short: refused by the run that reads it
  const exits = (run: string, more: object) => {
    const all = { ...given, epochs: 1, run: at(run), ...more };
    const flags = Object.entries(all).flatMap(([key, value]) => [flagName(key), String(value)]);
    const how = { encoding: "utf8" } as const;
    const { status, stdout } = spawnSync(process.execPath, [...main, ...flags], how);
    const { rows } = compareResult.parse(JSON.parse(stdout));
    return [status, rows.map((r) => r.status === "failed"), rows.map((r) => r.after === null)];
  };
  const one = { methods: "ga,graddiff", retain: short };
  assert.deepEqual(exits("one", one), [0, [false, true], [false, true]]);
  const none = { methods: "ga", kept: sets.forget };
  assert.deepEqual(exits("none", none), [1, [true], [true]]);
});

test("a run directory that is held, or was taken first, is told by a code; exit codes stay", async () => {
  const erase = async (run: string) => {
    const args = ["--model", at("target"), "--forget", sets.forget, "--run", run, "--quiet"];
    const child = spawn(
      process.execPath,
      ["--import", "tsx", "src/cli/main.ts", "erase", ...args],
      { stdio: ["ignore", "ignore", "pipe", "ipc"] },
    );
    let [errors, told]: [string, unknown] = ["", undefined];
    child.stderr!.on("data", (data: Buffer) => (errors += data.toString()));
    child.on("message", (message) => (told = message));
    const code = await new Promise((resolve) => child.on("close", resolve));
    return { code, errors, told };
  };
  mkdirSync(at("held"));
  writeFileSync(at("held/lock"), String(process.pid));
  const held = await erase(at("held"));
  assert.match(held.errors, /got one that process \d+ is writing/);
  assert.deepEqual([held.code, held.told], [2, { code: "RUN_HELD" }]);
  mkdirSync(at("taken"));
  writeFileSync(at("taken/run.json"), "{}");
  const taken = await erase(at("taken"));
  assert.match(taken.errors, /expected a new run directory/);
  assert.deepEqual([taken.code, taken.told], [2, { code: "RUN_HELD" }]);
  assert.ok(!existsSync(at("taken/lock")), "nothing is left locked");
});

test("the command writes table.csv and a report; interrupted, it goes on", async () => {
  const main = ["--import", "tsx", "src/cli/main.ts", "compare"];
  const flags = Object.entries({
    ...given,
    epochs: 40,
    methods: "emso,ga,em",
    run: at("run"),
  }).flatMap(([key, value]) => [flagName(key), String(value)]);
  const env = { ...process.env, NODE_NO_WARNINGS: "1" };
  const child = spawn(process.execPath, [...main, ...flags, "--quiet"], { env, stdio: "ignore" });
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  const cells = at("run/cells");
  const begun = () =>
    existsSync(cells) && readdirSync(cells).some((c) => existsSync(join(cells, c, "events.jsonl")));
  while (!begun() && child.exitCode === null) await new Promise((r) => setTimeout(r, 10));
  child.kill("SIGINT");
  assert.equal(await ended, 130);
  const resume = [...main, "--resume", at("run"), "--json", "--quiet"];
  const last = spawnSync(process.execPath, resume, { env, encoding: "utf8" });
  assert.equal(last.status, 0, last.stderr);
  const result = compareResult.parse(JSON.parse(last.stdout));
  assert.equal(result.rows.length, 3);
  const table = readFileSync(at("run/table.csv"), "utf8").trim().split("\r\n");
  assert.equal(table.length, 4);
  assert.match(table[0]!, /^method,seed,status,error,recited,/);
  const report = readFileSync(at("run/report.html"), "utf8");
  assert.match(report, /Forgetting against ability/);
  assert.ok(!report.includes(sentences("forget", 4, 24)[0]!));
});
