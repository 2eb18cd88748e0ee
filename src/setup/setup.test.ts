import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, describe, it } from "node:test";
import { addonPath, buildAddon, libraryBytes, recordPath, sourceKey } from "./addon.mjs";
import { chooseDType } from "./cpu.mjs";
import { diagnose } from "./doctor.ts";
import { SetupFault } from "./fault.mjs";
import { checkLibtorch } from "./libtorch.mjs";
import { locateAddon } from "./locate.mjs";
import { lock } from "./lock.mjs";
import { cacheDirectory, demoModelPath } from "./paths.mjs";
import { requirePlatform } from "./platform.mjs";
import { inTemporary, run } from "./run.mjs";
import { requireSpace } from "./wheels.mjs";

const root = mkdtempSync(join(tmpdir(), "unrecite-setup-"));
const saved = { ...process.env };
after(() => {
  process.env = saved;
  rmSync(root, { recursive: true, force: true });
});

let folder = root;
beforeEach(() => {
  folder = mkdtempSync(join(root, "t"));
  process.env = { ...saved, UNRECITE_CACHE: join(folder, "cache") };
  delete process.env["LIBTORCH"];
});

/** What looks like LibTorch from outside. */
function fakeLibtorch(version: string, { abi = "__cxx11", file = "version.py" } = {}): string {
  const dir = mkdtempSync(join(folder, "torch"));
  mkdirSync(join(dir, "lib"));
  mkdirSync(join(dir, "include"));
  writeFileSync(join(dir, file), file === "version.py" ? `__version__ = '${version}'\n` : version);
  writeFileSync(join(dir, "lib", "libtorch_cpu.so"), "");
  writeFileSync(join(dir, "lib", "libc10.so"), `_ZN3c10${abi}`);
  return dir;
}

/** Every refusal ends alike: what was expected and got, one way out, exit code 3. */
const refuses = (pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof SetupFault);
  assert.match(error.message, pattern);
  assert.match(error.message, /: expected .+, got .+\n {2}→ .+/s);
  assert.equal(error.exitCode, 3);
  return true;
};

describe("the cache directory", () => {
  it("follows UNRECITE_CACHE, then XDG_CACHE_HOME", () => {
    assert.equal(cacheDirectory(), join(folder, "cache"));
    assert.ok(demoModelPath().startsWith(join(folder, "cache")));
    process.env["UNRECITE_CACHE"] = "";
    process.env["XDG_CACHE_HOME"] = "/elsewhere";
    assert.equal(cacheDirectory(), "/elsewhere/unrecite");
  });
});

describe("LibTorch", () => {
  it("is taken from 2.7 to 2.15, by version.py or build-version", () => {
    for (const version of ["2.7.0", "2.11.0+cu130", "2.15.0a0+git1"]) {
      assert.equal(checkLibtorch(fakeLibtorch(version), "LIBTORCH").version, version);
    }
    const zip = fakeLibtorch("2.9.1+cpu\n", { file: "build-version" });
    assert.equal(checkLibtorch(zip, "LIBTORCH").version, "2.9.1+cpu");
  });
  it("is refused by name outside that range, with the old ABI, or when it is something else", () => {
    for (const version of ["2.6.0", "1.13.1", "2.16.0", "3.0.0"]) {
      const dir = fakeLibtorch(version);
      const named = new RegExp(`expected 2.7 to 2.15, got ${version} in ${dir} \\(LIBTORCH\\)`);
      assert.throws(() => checkLibtorch(dir, "LIBTORCH"), refuses(named));
    }
    const old = fakeLibtorch("2.8.0", { abi: "" });
    assert.throws(() => checkLibtorch(old, "LIBTORCH"), refuses(/expected the C\+\+11 ABI/));
    assert.throws(() => checkLibtorch(folder, "LIBTORCH"), refuses(/expected version.py/));
  });
});

describe("the addon's place", () => {
  const record = (
    dir: string,
    { path = addonPath({ dir, version: "2.15.0" }), bytes = 0 } = {},
  ) => {
    mkdirSync(join(path, ".."), { recursive: true });
    const libtorch = { dir, version: "2.15.0", cuda: false };
    writeFileSync(recordPath(sourceKey()), JSON.stringify({ path, libtorch, bytes }));
    return path;
  };
  it("is read from what set-up recorded", () => {
    const dir = fakeLibtorch("2.15.0");
    const path = record(dir);
    writeFileSync(path, "");
    assert.deepEqual(locateAddon(), { path, libtorch: { dir, version: "2.15.0", cuda: false } });
    process.env["LIBTORCH"] = `${dir}/`;
    assert.equal(locateAddon().path, path);
  });
  it("is refused when anything it depends on is gone or another", () => {
    assert.throws(() => locateAddon(), refuses(/no record at .*\n.*npm run setup/));
    const dir = fakeLibtorch("2.15.0");
    const path = record(dir);
    assert.throws(() => locateAddon(), refuses(/nothing at/));
    writeFileSync(path, "");
    process.env["LIBTORCH"] = "/another";
    assert.throws(() => locateAddon(), refuses(/while LIBTORCH is \/another/));
    delete process.env["LIBTORCH"];
    writeFileSync(join(dir, "lib", "libtorch_cpu.so"), "upgraded");
    assert.throws(() => locateAddon(), refuses(/another LibTorch than 2.15.0/));
    rmSync(dir, { recursive: true });
    assert.equal(libraryBytes(dir), undefined);
    assert.throws(() => locateAddon(), refuses(/another LibTorch/));
  });
});

describe("the addon's build", () => {
  /** A compiler that writes "built" where it is told to, and keeps a line for each call. */
  function fakeCompiler(body = 'echo built > "$out"'): { calls: () => number } {
    const [program, calls] = [join(folder, "fake++"), join(folder, "calls")];
    const words = "while [ $# -gt 0 ]; do case $1 in -o) out=$2;; -c) src=$2;; esac; shift; done";
    const script = `[ "$1" = --version ] && exit 0\n${words}\necho . >> ${calls}\n${body}\n`;
    writeFileSync(program, `#!/bin/sh\n${script}`, { mode: 0o755 });
    process.env["CXX"] = program;
    return { calls: () => readFileSync(calls, "utf8").length / 2 };
  }
  const quiet = { say: () => undefined };
  const made = () => {
    const dir = fakeLibtorch("2.15.0");
    return { dir, version: "2.15.0", cuda: false, from: "LIBTORCH" };
  };

  it("is done once, and again where what it made is damaged", async () => {
    const { calls } = fakeCompiler();
    const libtorch = made();
    assert.equal(await buildAddon(libtorch, quiet), true);
    const once = calls();
    assert.equal(await buildAddon(libtorch, quiet), false);
    assert.equal(calls(), once);
    const { path } = locateAddon();
    for (const damaged of ["", "buil"]) {
      writeFileSync(path, damaged);
      assert.equal(await buildAddon(libtorch, quiet), true, damaged);
      assert.equal(readFileSync(path, "utf8"), "built\n");
    }
    const other = made();
    assert.equal(await buildAddon(other, quiet), true);
    assert.equal(await buildAddon(libtorch, quiet), false, "each LibTorch has its own");
  });

  it("ends with the log of its first failure, when nothing is at work any more", async () => {
    const [failed, ends] = [join(folder, "failed"), join(folder, "late")];
    const { calls } = fakeCompiler(`case $src in
      */addon.cc) touch ${failed}; echo "error: the first"; exit 1;;
      *) while [ ! -e ${failed} ]; do sleep 0.02; done
        sleep 0.3; echo >> ${ends}; echo "error: a later one"; exit 1;;
    esac`);
    await assert.rejects(buildAddon(made(), quiet), /addon\.cc to compile .* the first\n {2}→ /);
    const log = () => readFileSync(join(folder, "cache", "addon", "build.log"), "utf8");
    const [begun, said] = [calls(), log()];
    assert.match(said, /-c \S+addon\.cc .*\nerror: the first\n$/);
    await new Promise((resolve) => setTimeout(resolve, 500));
    assert.deepEqual([calls(), log()], [begun, said]);
    const late = existsSync(ends) ? readFileSync(ends).length : 0;
    assert.equal(late, begun - 1, "each that had begun came to its end");
    assert.deepEqual(readdirSync(join(folder, "cache", "addon")), ["build.log"]);
  });
});

describe("the machine", () => {
  it("is Linux x86-64 with glibc >= 2.28", () => {
    const linux = { platform: "linux", arch: "x64", glibc: "2.28" };
    assert.equal(requirePlatform(linux), "linux x64, glibc 2.28");
    for (const odd of [{ platform: "darwin" }, { arch: "arm64" }, { glibc: "2.17" }]) {
      assert.throws(() => requirePlatform({ ...linux, ...odd }), refuses(/^platform:/));
    }
    assert.throws(() => requirePlatform({ ...linux, glibc: undefined }), refuses(/no glibc/));
  });
  it("gets bfloat16 only with both AMX features, unless asked for", () => {
    assert.equal(chooseDType("auto", { flags: ["avx512_bf16", "amx_bf16"] }).dtype, "float32");
    assert.equal(chooseDType("auto", { flags: ["amx_tile", "amx_bf16"] }).dtype, "bfloat16");
    assert.equal(chooseDType("float32", { flags: ["amx_tile", "amx_bf16"] }).dtype, "float32");
  });
  it("is refused when its disk is too full, with what is there and what is needed", () => {
    requireSpace(folder, 5e8, () => 5e8);
    const got = refuses(/expected 1.30 GB free in .*, got 0.20 GB/);
    assert.throws(() => requireSpace(folder, 1.3e9, () => 2e8), got);
  });
  it("is told what is missing, with a way out each", async () => {
    process.env["PATH"] = "/nowhere";
    delete process.env["CXX"];
    const { rows } = await diagnose();
    const missing = rows.filter((row) => !row.ok);
    const names = missing.map((row) => row.name);
    assert.deepEqual(names.slice(0, 4), ["compiler", "python", "libtorch", "addon"]);
    for (const { name, wayOut } of missing) assert.ok(wayOut, name);
  });
});

describe("the lock", () => {
  const quiet = { say: () => undefined, pollMs: 5 };
  it("lets a second one wait, and say so, until the first is done", async () => {
    const said: string[] = [];
    const release = await lock(folder, quiet);
    let second = false;
    const waiting = lock(folder, { say: (line) => said.push(line), pollMs: 5 }).then((free) => {
      second = true;
      free();
    });
    await new Promise((resolve) => setTimeout(resolve, 40));
    assert.equal(second, false);
    release();
    await waiting;
    assert.deepEqual(said, [`waiting: another set-up (process ${process.pid}) is at work`]);
    assert.deepEqual(readdirSync(folder), []);
  });
  it("is taken over from the dead, also when their pid lives on", async () => {
    for (const holder of ["999999999 5", `${process.pid} 1`, "garbage"]) {
      writeFileSync(join(folder, "setup.lock"), holder);
      (await lock(folder, quiet))();
    }
    assert.deepEqual(readdirSync(folder), []);
  });
  it("is refused where nothing can be written", async () => {
    writeFileSync(join(folder, "file"), "");
    await assert.rejects(lock(join(folder, "file"), quiet), refuses(/^cache: expected to write/));
  });
});

describe("work in a temporary folder", () => {
  it("leaves nothing, however it ends", async () => {
    const part = join(folder, "x.part-1");
    await assert.rejects(
      inTemporary(part, () => Promise.reject(new Error("broken"))),
      /broken/,
    );
    await inTemporary(part, () => Promise.resolve(writeFileSync(join(part, "file"), "")));
    assert.deepEqual(readdirSync(folder), []);
  });
  it("hands back what a program printed", async () => {
    const { code, output } = await run("sh", ["-c", "echo out; echo err >&2; exit 7"]);
    assert.equal(code, 7);
    assert.deepEqual(output.trim().split("\n").sort(), ["err", "out"]);
  });
});
