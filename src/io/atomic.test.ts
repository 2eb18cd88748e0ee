import assert from "node:assert/strict";
import { readdirSync, readFileSync, readlinkSync, statSync, symlinkSync } from "node:fs";
import { copyFile, mkdir, open, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { UnreciteError } from "../base/errors.ts";
import {
  expectWritable,
  makeFolder,
  writeAtomic,
  writeFileAtomic,
  writeFolderAtomic,
  writeJsonAtomic,
} from "./atomic.ts";
import { writeError } from "./disk-error.ts";
import { messageFrom, temporaryFolder } from "../../tests/io-fixtures.ts";
import { sha256, sha256OfFile } from "./hash.ts";

const { folder, put } = temporaryFolder();

test("a file is replaced whole, with its mode, and a failure keeps the old one", async () => {
  const path = join(folder, "a/b.json");
  await writeJsonAtomic(path, { a: 1 });
  await writeFileAtomic(join(folder, "a/secret"), "x", { mode: 0o600 });
  assert.equal(statSync(join(folder, "a/secret")).mode & 0o777, 0o600);
  const failing = writeAtomic(path, async (file) => {
    await file.writeFile("half");
    throw Object.assign(new Error("no space"), { code: "ENOSPC" });
  });
  await assert.rejects(
    failing,
    (error) =>
      error instanceof UnreciteError &&
      error.exitCode === 3 &&
      /free some space/.test(error.message),
  );
  assert.equal(readFileSync(path, "utf8"), '{\n  "a": 1\n}\n');
  assert.deepEqual(readdirSync(join(folder, "a")).sort(), ["b.json", "secret"]);
});

test("a folder appears whole or not at all", async () => {
  const path = join(folder, "whole");
  const failing = writeFolderAtomic(path, async (inside) => {
    await writeFileAtomic(join(inside, "one"), "1");
    throw new Error("stop");
  });
  await assert.rejects(failing);
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.includes("whole")),
    [],
  );
  await writeFolderAtomic(path, (inside) => writeFileAtomic(join(inside, "one"), "1"));
  assert.deepEqual(readdirSync(path), ["one"]);
  assert.match(
    await messageFrom(() => writeFolderAtomic(path, () => Promise.resolve()), folder),
    /^whole: expected a folder that is new or empty, got 1 entries/,
  );
});

test("every file of a folder is on the disk before the folder has its name", async (t) => {
  const [path, from] = [join(folder, "synced"), put("from", "side")];
  const one = await open(from);
  const synced: string[] = [];
  const handles = Object.getPrototypeOf(one) as { sync: () => Promise<void> };
  t.mock.method(handles, "sync", function (this: FileHandle) {
    synced.push(readlinkSync(`/proc/self/fd/${this.fd}`));
    return Promise.resolve();
  });
  await one.close();
  await writeFolderAtomic(path, async (inside) => {
    await copyFile(from, join(inside, "copied"));
    await mkdir(join(inside, "deep"));
    await copyFile(from, join(inside, "deep/too"));
  });
  const within = synced.map((file) => /\.synced\.\w+\.tmp(.*)$/.exec(file)?.[1]);
  assert.deepEqual(within.sort(), ["", "/copied", "/deep", "/deep/too", undefined]);
  assert.equal(synced.at(-1), folder);
});

test("each fault of the disk has its words and exit code", () => {
  const of = (code: string) =>
    writeError(Object.assign(new Error(code), { code }), "p") as UnreciteError;
  assert.deepEqual(
    ["ENOSPC", "EROFS", "EACCES", "ENOTDIR", "EISDIR", "EIO"].map((code) => of(code).exitCode),
    [3, 2, 2, 2, 2, 3],
  );
  assert.equal(
    of("EROFS").message,
    "p: expected a writable place, got a read-only file system\n  → choose a path on a writable file system",
  );
});

test("where no folder can be made is said, with a way out, not searched for ever", () => {
  const link = join(folder, "link");
  symlinkSync(join(folder, "nowhere"), link);
  for (const [path, code] of [
    ["/proc/x", "ENOENT"],
    ["/proc/x/y/z", "ENOENT"],
    [link, "EEXIST"],
    [join(link, "x"), "EEXIST"],
  ] as const) {
    assert.throws(() => makeFolder(path), { code });
    const { exitCode, wayOut } = writeError({ code }, path) as UnreciteError;
    assert.deepEqual([exitCode, wayOut], [2, "choose another path"]);
  }
  assert.deepEqual(makeFolder(join(folder, "m/n")), [join(folder, "m"), join(folder, "m/n")]);
  assert.deepEqual(makeFolder(join(folder, "m/n")), []);
});

test("a trial finds what cannot be written, and leaves nothing", () => {
  assert.throws(() => expectWritable("/proc/x/y"), /\/proc\/x\/y: expected a place/);
  const before = readdirSync(folder);
  expectWritable(join(folder, "new/deep"));
  assert.deepEqual(readdirSync(folder), before);
});

test("files and their parts are hashed by streaming", async () => {
  const path = put("hash.bin", Buffer.alloc(3_000_000, 7));
  assert.equal(await sha256OfFile(path), sha256(Buffer.alloc(3_000_000, 7)));
  assert.equal(await sha256OfFile(path, { begin: 10, end: 20 }), sha256(Buffer.alloc(10, 7)));
  assert.equal(await sha256OfFile(path, { begin: 10, end: 10 }), sha256(""));
});
