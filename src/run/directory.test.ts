/** @file Run directories that several processes want at once. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
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

test("a lock is of a process, not of its number: whoever has the pid now does not hold it", () => {
  const path = join(temporary(), "run");
  openRun(path).close();
  writeFileSync(join(path, "run.json"), "{}");
  const lock = join(path, "lock");
  const opens = (held: string) => {
    writeFileSync(lock, held);
    openRun(path, { resume: true }).close();
  };
  openRun(path, { resume: true }); // goes on
  const [pid, start, boot] = readFileSync(lock, "utf8").split(" ");
  assert.equal(pid, String(process.pid));
  opens(`${pid} 1 ${boot}`); // as in a container, where each first process is number 1
  opens(`${pid} ${start} 0`); // as of before the machine was started anew
  opens(`${process.ppid} 1 ${boot}`);
  opens(pid); // of an older version: we do not write such
  const held = { code: "RUN_HELD", message: new RegExp(`delete ${lock}$`) };
  for (const alive of [`${pid} ${start} ${boot}`, String(process.ppid)]) {
    assert.throws(() => opens(alive), held);
  }
});

test("two processes that begin at the same instant never hold one directory", async () => {
  const folder = temporary();
  const names = Array.from({ length: 400 }, (_, i) => join(folder, String(i)));
  const script = `
    import { existsSync, writeFileSync } from "node:fs";
    import { openFreeRun } from "./src/run/directory.ts";
    const ready = (of) => ${JSON.stringify(join(folder, "ready"))} + of;
    writeFileSync(ready(process.argv[1]), "");
    while (!existsSync(ready(1 - process.argv[1])));
    const got = ${JSON.stringify(names)}.map((name) => openFreeRun(name).path);
    process.stdout.write(JSON.stringify(got));
    process.stdin.resume(); // holds them until it is told that both are done`;
  const args = ["--import", "tsx", "--input-type=module", "--eval", script];
  const children = ["0", "1"].map((number) =>
    spawn(process.execPath, [...args, number], { stdio: ["pipe", "pipe", "inherit"] }),
  );
  const opened = (child: (typeof children)[number]) =>
    new Promise<string[]>((resolve) => {
      let said = "";
      child.stdout.on("data", (data: Buffer) => {
        said += data.toString();
        if (said.endsWith("]")) resolve(JSON.parse(said) as string[]);
      });
    });
  const [one = [], two = []] = await Promise.all(children.map(opened));
  for (const child of children) child.stdin.end();
  assert.equal(new Set([...one, ...two]).size, 2 * names.length);
});
