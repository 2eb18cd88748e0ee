/** @file kill -9 at some steps, then --resume: the same patch as a run that was left alone. Ctrl+C ends in 130. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { reciting } from "./reciting.ts";
import { sentences, temporary, textsFile } from "./tiny.ts";

const folder = temporary();
const at = (name: string) => join(folder, name);
const cut = ["--prefix-tokens", "12", "--suffix-tokens", "12"];
const forget = textsFile(folder, "forget", sentences("forget", 4, 24));
const held = textsFile(folder, "held", sentences("held", 6, 48));
const ARGS = ["--import", "tsx", "src/cli/main.ts", "erase"];
const env = { ...process.env, NODE_NO_WARNINGS: "1" };
const settings = (run: string) => [
  "--model",
  at("target"),
  "--forget",
  forget,
  "--heldout",
  held,
  ...cut,
  "--lr",
  "1.5e-3",
  "--rank",
  "8",
  "--epochs",
  "200",
  "--batch",
  "2",
  "--target",
  "ma=0.6,nll=1.5",
  "--utility-budget",
  "3",
  "--dtype",
  "float32",
  "--checkpoint-every",
  "1",
  "--run",
  run,
];

const patchOf = (run: string) =>
  (
    JSON.parse(readFileSync(join(run, "run.json"), "utf8")) as {
      results: { patch: { sha256: string } };
    }
  ).results.patch.sha256;
const stepsIn = (run: string) =>
  existsSync(join(run, "events.jsonl"))
    ? readFileSync(join(run, "events.jsonl"), "utf8").split(/"type":"(?:step|notch)"/).length - 1
    : 0;

before(async () => {
  await reciting(folder, forget);
  const whole = spawnSync(process.execPath, [...ARGS, ...settings(at("whole"))], {
    env,
    encoding: "utf8",
  });
  assert.equal(whole.status, 0, whole.stderr);
});

/** Starts an erase and signals it once it has taken this many steps. */
async function stopAfter(
  steps: number,
  run: string,
  args: string[],
  signal: NodeJS.Signals,
): Promise<number | null> {
  const child = spawn(process.execPath, [...ARGS, ...args], { env, stdio: "ignore" });
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  while (stepsIn(run) < steps && child.exitCode === null) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  child.kill(signal);
  return ended;
}

test("killed twice and resumed, the patch is the same, bit for bit", async () => {
  const run = at("killed");
  await stopAfter(2, run, settings(run), "SIGKILL");
  await stopAfter(5, run, ["--resume", run], "SIGKILL");
  const last = spawnSync(process.execPath, [...ARGS, "--resume", run, "--quiet"], {
    env,
    encoding: "utf8",
  });
  assert.equal(last.status, 0, last.stderr);
  assert.equal(patchOf(run), patchOf(at("whole")));
});

test("Ctrl+C ends at the next step with 130 and says how to go on", async () => {
  const run = at("interrupted");
  assert.equal(await stopAfter(2, run, settings(run), "SIGINT"), 130);
  assert.equal(
    (JSON.parse(readFileSync(join(run, "run.json"), "utf8")) as { status: string }).status,
    "interrupted",
  );
  const last = spawnSync(process.execPath, [...ARGS, "--resume", run, "--quiet"], {
    env,
    encoding: "utf8",
  });
  assert.equal(last.status, 0, last.stderr);
  assert.equal(patchOf(run), patchOf(at("whole")));
});

/** The settings without those flags (and their values), with others in their place. */
const instead = (run: string, idle: readonly string[], given: readonly string[]) => [
  ...settings(run).filter((a, i, all) => !idle.includes(a) && !idle.includes(all[i - 1] ?? "")),
  ...given,
];
for (const { name, idle, given, steps = 3 } of [
  {
    name: "dial",
    idle: ["--rank", "--lr", "--batch"],
    given: ["--method", "task_arithmetic", "--tune-lr", "1e-3", "--lr", "0.1"],
  },
  {
    name: "constraint",
    idle: ["--rank", "--epochs"],
    given: ["--rank", "8", "--epochs", "8", "--constraint", "kl=0.01", "--dual-rate", "40"],
  },
  {
    name: "subzero",
    idle: ["--rank", "--lr", "--epochs"],
    given: ["--method", "ga", "--optimiser", "subzero", "--lr", "1e-3", "--epochs", "8"],
  },
  {
    name: "relearning", // eight steps an epoch: in the second, texts are taught
    idle: ["--rank", "--epochs"],
    given: ["--rank", "8", "--epochs", "3", "--relearning", "1e-2"],
    steps: 11,
  },
]) {
  test(`${name}: killed and resumed it goes on from where it stood, to the same patch`, async () => {
    const run = at(name);
    const args = (path: string) => instead(path, idle, given);
    const whole = spawnSync(process.execPath, [...ARGS, ...args(at(`${name}-whole`))], { env });
    assert.ok(whole.status === 0 || whole.status === 1, String(whole.stderr));
    await stopAfter(steps, run, args(run), "SIGKILL");
    const last = spawnSync(process.execPath, [...ARGS, "--resume", run, "--quiet"], { env });
    assert.equal(last.status, whole.status, String(last.stderr));
    assert.equal(patchOf(run), patchOf(at(`${name}-whole`)));
  });
}

const ANEW = /the checkpoint is of other texts, goals, settings or weights: starting anew/;

test("retain text that changed meanwhile starts the run anew", async () => {
  const run = at("retained");
  const write = (seed: string) => textsFile(folder, "retain", sentences(seed, 4, 24));
  const args = [...settings(run), "--retain", write("retain")];
  await stopAfter(2, run, [...args, "--epochs", "3"], "SIGKILL");
  write("changed");
  const last = spawnSync(process.execPath, [...ARGS, "--resume", run], { env, encoding: "utf8" });
  assert.match(last.stderr, ANEW);
});

for (const [name, given] of [
  ["windows", ["--prefix-tokens", "8", "--suffix-tokens", "8"]],
  ["goal", ["--target", "ma=0.9,nll=0.5"]],
  ["budget", ["--utility-budget", "2.5"]],
  ["gate", ["--heldout", textsFile(folder, "gate", sentences("gate", 6, 48))]],
] as const) {
  test(`another ${name} than the checkpoint's starts the run anew`, async () => {
    const run = at(`other-${name}`);
    await stopAfter(2, run, [...settings(run), "--epochs", "3"], "SIGKILL");
    const args = [...ARGS, "--resume", run, ...given];
    assert.match(spawnSync(process.execPath, args, { env, encoding: "utf8" }).stderr, ANEW);
  });
}

test("a run that is done, or of another command, is not resumed; a changed log is found", () => {
  const done = spawnSync(process.execPath, [...ARGS, "--resume", at("whole")], {
    env,
    encoding: "utf8",
  });
  assert.equal(done.status, 2);
  assert.match(done.stderr, /expected an interrupted run, got one that is done/);
  const again = spawnSync(process.execPath, [...ARGS, ...settings(at("whole"))], {
    env,
    encoding: "utf8",
  });
  assert.equal(again.status, 2);
  assert.match(again.stderr, /expected a new run directory/);
});
