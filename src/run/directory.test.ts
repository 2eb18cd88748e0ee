/** @file Run directories that several processes want at once. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporary } from "../../tests/tiny.ts";
import { openFreeRun, openRun } from "./directory.ts";

test("runs that begin in the same second get directories of their own, whether they go on or have ended", () => {
  const path = join(temporary(), "now");
  const first = openFreeRun(path);
  const second = openFreeRun(path); // the first goes on
  first.close();
  writeFileSync(join(path, "run.json"), "{}");
  const third = openFreeRun(path); // the first has ended, the second goes on
  assert.deepEqual(
    [first, second, third].map((r) => r.path),
    [path, `${path}-2`, `${path}-3`],
  );
  assert.throws(() => openRun(path), { code: "RUN_HELD" });
  for (const run of [second, third]) run.close();
});

test("a place that cannot be written to is an error, not a search without end", () => {
  const path = join(temporary(), "file");
  writeFileSync(path, "");
  assert.throws(() => openFreeRun(join(path, "run")), { exitCode: 2 });
});
