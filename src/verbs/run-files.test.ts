import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openRun } from "../run/index.ts";
import { temporary } from "../../tests/tiny.ts";
import { runFiles } from "./run-files.ts";

test("a run owns what it noted, while it is as it was noted; its own patch from a resume on", () => {
  const folder = temporary();
  const run = openRun(join(folder, "run"));
  const { owns, wrote, patch } = runFiles(run);
  const out = join(folder, "out");
  writeFileSync(out, "1");
  assert.ok(!owns(out), "another's");
  wrote(out);
  assert.ok(owns(out));
  writeFileSync(out, "22");
  assert.ok(!owns(out), "changed since");

  writeFileSync(patch("sparse"), "");
  assert.ok(!owns(patch("sparse")), "it was there before the run");
  run.event({ type: "resume" });
  assert.ok(owns(patch("sparse")));
  run.close();
});
