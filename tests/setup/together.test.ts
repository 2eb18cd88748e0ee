/** @file Set-up interrupted, killed, and run twice at once, with the real LibTorch and compiler. About a minute. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { findLibtorch } from "../../src/setup/libtorch.mjs";
import { scratch, setup, start, until, type Running } from "./bench.ts";

const LIBTORCH = findLibtorch(() => undefined)?.dir;
const build = ["--only", "addon"];

let folder: string;
let remove: () => void;
beforeEach(() => ({ folder, remove } = scratch()));
afterEach(() => remove());

const inAddon = (): string[] => {
  const path = join(folder, "cache", "addon");
  return existsSync(path) ? readdirSync(path) : [];
};

/** Object files show that compilers are at work. */
const compiling = async ({ child }: Running): Promise<void> => {
  await until(() => inAddon().includes(partOf(child.pid!)));
  await new Promise((resolve) => setTimeout(resolve, 1500));
};
const partOf = (pid: number): string => inAddon().find((n) => n.endsWith(`.part-${pid}`)) ?? "none";

/** Compilers that write below this test's folder. */
const compilers = (): string[] =>
  execFileSync("ps", ["-eo", "args"], { encoding: "utf8" })
    .split("\n")
    .filter((line) => line.includes(`${folder}/cache/addon`));

describe("set-up", () => {
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    it(`leaves nothing half made, and no compiler, after ${signal}`, async () => {
      const running = start(folder, build, { LIBTORCH });
      await compiling(running);
      running.child.kill(signal);
      const ended = await running.ended;
      assert.equal(ended.code, code);
      assert.deepEqual(inAddon(), []);
      assert.deepEqual(readdirSync(join(folder, "cache")), ["addon"]);
      await until(() => compilers().length === 0, { seconds: 2 });
    });
  }

  it("lets a second one wait, which takes over when the first is killed; a third finds all", async () => {
    const first = start(folder, build, { LIBTORCH });
    await compiling(first);
    const second = start(folder, build, { LIBTORCH });
    await until(() => second.said() !== "");
    assert.match(
      second.said(),
      new RegExp(`^waiting: another set-up \\(process ${first.child.pid}\\)`),
    );
    first.child.kill("SIGKILL");
    assert.equal((await first.ended).signal, "SIGKILL");
    const { code, said } = await second.ended;
    assert.equal(code, 0, said);
    assert.match(said, /addon +[\d.]+ s {2}compiled to/);
    assert.equal(inAddon().filter((n) => n.includes("part-")).length, 0);
    assert.deepEqual(readdirSync(join(folder, "cache")), ["addon"]);
    const third = await setup(folder, build, { LIBTORCH });
    assert.match(third.said, /^addon +0\.\d s {2}present at .*unrecite\.node\n$/);
  });

  it("lets two at once both succeed, and builds once", async () => {
    const both = await Promise.all([1, 2].map(() => setup(folder, build, { LIBTORCH })));
    for (const { code, said } of both) assert.equal(code, 0, said);
    const saidAll = both.map((b) => b.said).join("");
    assert.equal(saidAll.match(/compiled to/g)?.length, 1);
    assert.equal(saidAll.match(/present at/g)?.length, 1);
  });
});
