/** @file 100,000 seeded calls over every unguarded operator, in child processes: an exception is fine, a death is not. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";

const SEEDS = 10;
const CALLS = 10_000;

for (let seed = 1; seed <= SEEDS; seed++) {
  test(`${CALLS} calls from seed ${seed} end in values or exceptions`, () => {
    const args = ["--import", "tsx", "tests/fuzz/child.ts", String(seed), String(CALLS)];
    const { status, signal, stdout, stderr } = spawnSync(process.execPath, args, {
      encoding: "utf8",
      maxBuffer: 1 << 28,
    });
    const last = stdout.trim().split("\n").at(-1) ?? "";
    assert.match(
      last,
      /^done \d+ errors$/,
      `died (${signal ?? status}) with seed ${seed} in call ${last}\n${stderr.slice(-500)}`,
    );
  });
}
