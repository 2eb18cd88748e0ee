/** @file README's commands run as they are written, one after the other, on what the quickstart left (it is run if it did not). */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { before, test } from "node:test";
import { readmeCommands } from "../readme-blocks.ts";

const WRITTEN = ["runs/mine", "runs/patched", "runs/undo", "runs/original"];
const lines = readmeCommands().filter((line) => line.startsWith("unrecite "));

before(() => {
  for (const path of WRITTEN) rmSync(path, { recursive: true, force: true });
  if (existsSync("runs/quickstart/summary.json")) return;
  const { status } = spawnSync("npm", ["run", "quickstart"], { stdio: "inherit" });
  assert.equal(status, 0, "npm run quickstart");
});

for (const line of lines) {
  test(`README: ${line.slice(0, 60)}`, () => {
    const words = line.split(/\s+/).slice(1);
    const { status, stderr } = spawnSync(process.execPath, ["dist/cli/main.js", ...words], {
      encoding: "utf8",
    });
    assert.equal(status, 0, stderr);
  });
}

test("README: applied and reverted, the model is the first one bit for bit", () => {
  const { status } = spawnSync("cmp", [
    "runs/quickstart/target/model.safetensors",
    "runs/original/model.safetensors",
  ]);
  assert.equal(status, 0);
});
