/** @file Tasks on a tiny target, as the commands take them: before and after an erasure, in a comparison, what is refused. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { compareResult, eraseResult, evaluateResult } from "../src/eval/index.ts";
import { compare, erase, evaluate } from "../src/index.ts";
import { memory } from "../src/torch/index.ts";
import { CUT, reciting } from "./reciting.ts";
import { sentences, temporary, textsFile } from "./tiny.ts";

const folder = temporary();
const at = (name: string) => join(folder, name);
const forgetTexts = sentences("forget", 4, 24);
const keptTexts = sentences("kept", 4, 24);
const forget = textsFile(folder, "forget", forgetTexts);
const settings = { target: "ma=0.6,nll=1.5", utilityBudget: 5, dtype: "float32" } as const;

const tasksFile = (name: string, rows: readonly object[]): string => {
  writeFileSync(at(name), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return at(name);
};
/** A text parted at a space: it is whole again with one between. */
const parted = (text: string) => {
  const space = text.indexOf(" ", 8);
  return { context: text.slice(0, space), continuation: text.slice(space + 1) };
};
const ends = (texts: readonly string[]) => texts.map(parted);

/** How each text goes on: as it does, or as the next one does. */
const choices = (texts: readonly string[]) =>
  texts.map((text, i) => ({
    query: parted(text).context,
    choices: [text, texts[(i + 1) % texts.length]!].map((t) => parted(t).continuation),
    gold: 0,
  }));

before(() => reciting(folder, textsFile(folder, "all", [...forgetTexts, ...keptTexts])));

test("a task of what the target recites: all right before, worse after; a task of the rest stays", async () => {
  const tasks = [tasksFile("lost.jsonl", ends(forgetTexts)), at("held.json")];
  writeFileSync(at("held.json"), JSON.stringify(choices(keptTexts)));
  const live = memory().liveTensors;
  const result = await erase({
    model: at("target"),
    forget,
    ...CUT,
    ...settings,
    tasks,
    method: "ga",
    epochs: 40,
    patchOut: at("patch"),
  });
  assert.equal(memory().liveTensors, live);
  eraseResult.parse(result);
  const [was, is] = [result.before.utility!, result.after.utility!];
  assert.deepEqual(Object.keys(was), ["lost", "held"]);
  assert.equal(was["lost"]!["acc"]!.value, 1);
  assert.ok(is["lost"]!["acc"]!.value < 1);
  assert.ok(is["lost"]!["perplexity"]!.value > was["lost"]!["perplexity"]!.value);
  const measured = await evaluate({ model: at("target"), patch: at("patch"), tasks });
  evaluateResult.parse(measured);
  assert.deepEqual(measured.utility, is); // of what was written, and no set of texts is needed
  assert.deepEqual(Object.keys(measured), ["schema", "utility"]);
});

test("fewer items are the same ones each time, whatever else is asked", async () => {
  const tasks = [tasksFile("many.jsonl", ends([...forgetTexts, ...keptTexts]))];
  const some = await evaluate({ model: at("target"), tasks, taskItems: 3 });
  const again = await evaluate({
    model: at("target"),
    tasks,
    taskItems: 3,
    forget,
    ...CUT,
    seed: 5,
  });
  assert.equal(some.utility!["many"]!["acc"]!.n, 3);
  assert.deepEqual(again.utility, some.utility);
  assert.ok(again.forget !== undefined);
});

test("a comparison shows tasks by run, beside before; another file is another comparison", async () => {
  const task = tasksFile("asked.jsonl", choices(keptTexts));
  const options = {
    ...settings,
    ...CUT,
    model: at("target"),
    forget,
    methods: ["ga", "em"],
    epochs: 2,
    tasks: [`known=${task}`],
    cache: at("cache"),
  };
  const first = await compare({ ...options, oracle: at("base") });
  compareResult.parse(first);
  const accuracy = (e: typeof first.before) => e!.utility!["known"]!["acc"]!.value;
  assert.deepEqual(
    first.rows.map((r) => Object.keys(r.tasks!)),
    [["known"], ["known"]],
  );
  assert.ok(Number.isFinite(accuracy(first.before)) && Number.isFinite(accuracy(first.oracle)));
  const once = await compare({ ...options, methods: ["ga"] });
  assert.equal(once.rows[0]!.reused, true);
  tasksFile("asked.jsonl", choices(forgetTexts));
  const other = await compare({ ...options, methods: ["ga"] });
  assert.equal(other.rows[0]!.reused, false);
});

test("the command prints each task, with its error; the table of a comparison has a column a task", () => {
  const run = (...args: string[]) =>
    spawnSync(process.execPath, ["--import", "tsx", "src/cli/main.ts", ...args, "--quiet"], {
      env: { ...process.env, NODE_NO_WARNINGS: "1" },
      encoding: "utf8",
    });
  const task = tasksFile("told.jsonl", choices(keptTexts));
  const told = run("evaluate", "--model", at("target"), "--tasks", task, "--run", at("told"));
  assert.equal(told.status, 0, told.stderr);
  assert.match(told.stdout, /^told +acc [01]\.\d{4} ± \d\.\d{4} {3}acc_norm .* \(4 items\)$/m);
  assert.match(readFileSync(at("told/report.html"), "utf8"), /scores on 1 task\./);
  const flags = ["--methods", "ga", "--model", at("target"), "--forget", forget, "--epochs", "1"];
  const sizes = ["--prefix-tokens", "12", "--suffix-tokens", "12", "--target", settings.target];
  const compared = run("compare", ...flags, ...sizes, "--tasks", task, "--run", at("compared"));
  assert.equal(compared.status, 0, compared.stderr);
  assert.match(compared.stdout, /^method .* told$/m);
  assert.match(compared.stdout, /^\(before\) .* [01]\.\d{3}$/m);
  assert.match(readFileSync(at("compared/table.csv"), "utf8"), /^method,.*,acc told\r\nga,/);
  assert.match(readFileSync(at("compared/report.html"), "utf8"), /What each run can still do/);
  const listed = run("ls", "tasks");
  assert.match(listed.stdout, /^piqa +everyday physics, one of two \[paper\]$/m);
});

test("what is no task is refused with its place", async () => {
  const refused = (tasks: string[], message: RegExp) =>
    assert.rejects(evaluate({ model: at("target"), tasks }), message);
  await refused([at("nowhere.jsonl")], /nowhere\.jsonl: expected the items of a task/);
  await refused([tasksFile("a.csv", [{}])], /a\.csv: expected \.jsonl or \.json, got \.csv/);
  await refused([tasksFile("empty.jsonl", [])], /empty\.jsonl: expected texts, got an empty file/);
  writeFileSync(at("none.json"), "[]");
  await refused([at("none.json")], /none\.json: expected the items of a task, got none/);
  await refused(
    [tasksFile("odd.jsonl", [{ query: "a", choices: ["b", "c"], gold: 7 }])],
    /odd\.jsonl row 1: expected an integer from 0 to 1 in gold, got 7/,
  );
  await refused(
    [tasksFile("mixed.jsonl", [...choices(keptTexts), ...ends(keptTexts)])],
    /mixed\.jsonl: expected rows of one shape/,
  );
  const twice = tasksFile("twice.jsonl", choices(keptTexts));
  await refused([twice, `twice=${twice}`], /expected each task once, got twice twice/);
  const options = { model: at("target"), forget, methods: ["ga"], cache: at("never") };
  await assert.rejects(
    compare({ ...options, tasks: [at("odd.jsonl")] }), // before any run begins
    /odd\.jsonl row 1/,
  );
  assert.equal(existsSync(at("never")), false);
  const alone = { model: at("target"), forget, taskItems: 5 };
  const lonely = /--task-items: expected --tasks FILE beside it, got none/;
  await assert.rejects(evaluate(alone), lonely);
  await assert.rejects(erase(alone), lonely);
  await assert.rejects(compare({ ...alone, methods: ["ga"], cache: at("never") }), lonely);
  await assert.rejects(evaluate({ model: at("target") }), /at least one of .* --tasks, got none/);
});
