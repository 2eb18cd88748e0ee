/** @file Output that nobody takes. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { openSync } from "node:fs";
import { test } from "node:test";

/** Exit code and stderr of a command whose output streams are files, closed readers ("gone") or read. */
async function ran(what: string, stdout: number | "gone", stderr: number | "gone" | "read") {
  const child = spawn(process.execPath, ["--import", "tsx", "src/cli/main.ts", "ls", what], {
    stdio: ["ignore", ...[stdout, stderr].map((s) => (typeof s === "number" ? s : "pipe"))],
    env: { ...process.env, NODE_NO_WARNINGS: "1" },
  });
  let errors = "";
  if (stdout === "gone") child.stdout?.destroy();
  if (stderr === "gone") child.stderr?.destroy();
  else child.stderr?.on("data", (data: Buffer) => (errors += data.toString()));
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { code, errors };
}

test("a reader that has gone ends the output, and the command keeps its exit code", async () => {
  assert.deepEqual(await ran("methods", "gone", "read"), { code: 0, errors: "" });
  assert.equal((await ran("nope", "gone", "gone")).code, 2);
});

test("a full disk behind stdout or stderr is exit 3 in one message, not a stack", async () => {
  const full = openSync("/dev/full", "w");
  const { code, errors } = await ran("methods", full, "read");
  assert.equal(code, 3);
  assert.match(
    errors,
    /^stdout: expected to print to it, got: ENOSPC.*\n {2}→ free some space.*\n$/,
  );
  assert.equal((await ran("methods", full, full)).code, 3);
});
