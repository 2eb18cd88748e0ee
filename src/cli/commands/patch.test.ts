/** @file `patch` on the command line. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { factorsPatch, patchModel, sparsePatch } from "../../../tests/patch-fixtures.ts";
import { temporary } from "../../../tests/tiny.ts";

const folder = temporary();
const at = (name: string) => join(folder, name);
const model = await patchModel(at("model"));
await sparsePatch(model, at("patch"));

/** Runs `patch`; with a signal, one comes to it when it begins to copy the model, or has opened the hidden file of STRIPPED. */
function patch(args: readonly string[], signal?: "SIGINT" | "SIGTERM") {
  const stop = `import fs from "node:fs/promises";
    import { syncBuiltinESMExports } from "node:module";
    const { copyFile, open } = fs;
    const stop = async () => {
      process.kill(process.pid, "${signal}");
      await new Promise((resolve) => setTimeout(resolve, 50));
    };
    fs.copyFile = async (...args) => {
      await stop();
      return copyFile(...args);
    };
    fs.open = async (...args) => {
      const file = await open(...args);
      if (/\\.STRIPPED\\..*\\.tmp$/.test(args[0])) await stop();
      return file;
    };
    syncBuiltinESMExports();`;
  const preload =
    signal === undefined ? [] : ["--import", `data:text/javascript,${encodeURIComponent(stop)}`];
  const given = [...preload, "--import", "tsx", "src/cli/main.ts", "patch", ...args];
  const env = { ...process.env, NODE_NO_WARNINGS: "1" };
  return spawnSync(process.execPath, given, { env, encoding: "utf8" });
}

test("Ctrl+C in apply, revert and strip leaves nothing behind; the same command then works", () => {
  const apply = ["apply", "--model", model, "--patch", at("patch"), "--out", at("out")];
  const undo = ["--undo", at("undo")];
  const revert = ["revert", "--model", at("out"), "--patch", at("undo"), "--out", at("back")];
  const strip = ["strip", "--patch", at("patch"), "--out", at("STRIPPED")];
  for (const args of [[...apply, ...undo], revert, strip]) {
    const before = readdirSync(folder);
    for (const [signal, code] of [
      ["SIGINT", 130],
      ["SIGTERM", 143],
    ] as const) {
      const stopped = patch(args, signal);
      assert.equal(stopped.status, code, stopped.stderr);
      assert.match(stopped.stderr, /interrupted: nothing was kept/);
      assert.deepEqual(readdirSync(folder), before);
    }
    const whole = patch(args);
    assert.equal(whole.status, 0, whole.stderr);
  }
});

test("revert goes back by --undo alone, and by it rather than by --patch; without both it asks for one", async () => {
  await factorsPatch(model, at("factors"));
  const by = (...args: string[]) => args.map((arg) => (arg.startsWith("--") ? arg : at(arg)));
  const apply = by("--model", "model", "--patch", "factors", "--out", "put", "--undo", "way");
  assert.equal(patch(["apply", ...apply]).status, 0);
  const given = by("--model", "put", "--undo", "way");
  for (const [out, more] of [
    ["alone", []],
    ["both", by("--patch", "factors")],
  ] as const) {
    const back = patch(["revert", ...given, ...more, ...by("--out", out)]);
    assert.equal(back.status, 0, back.stderr);
    const [was, is] = ["model", out].map((d) => readFileSync(join(at(d), "model.safetensors")));
    assert.ok(was!.equals(is!));
  }
  for (const [verb, message] of [
    ["revert", /revert: expected a patch or an undo file, got neither/],
    ["inspect", /patch inspect: expected --patch, got none/],
  ] as const) {
    const none = patch([verb, ...by("--model", "put", "--out", "none")]);
    assert.equal(none.status, 2);
    assert.match(none.stderr, message);
  }
});
