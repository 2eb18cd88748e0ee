/** @file Compiles native/*.cc against the LibTorch that was found; no cmake, no node-gyp. Cached under what it depends on. */
import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { spawnSync } from "node:child_process";
import { SetupFault } from "./fault.mjs";
import { cacheDirectory, packageRoot } from "./paths.mjs";
import { inTemporary, run } from "./run.mjs";

const FLAGS = ["-std=c++20", "-O2", "-fPIC", "-fvisibility=hidden"];

/** @typedef {import("./libtorch.mjs").Libtorch} Libtorch */

const sourcesIn = (/** @type {string} */ folder) =>
  readdirSync(folder)
    .filter((f) => /\.(cc|h)$/.test(f))
    .sort();

/** Hash of the addon's sources and of Node's ABI: what the runtime can know without looking for LibTorch. */
export function sourceKey(folder = join(packageRoot(), "native")) {
  const hash = createHash("sha256").update(process.versions.modules).update(FLAGS.join(" "));
  for (const file of sourcesIn(folder)) hash.update(file).update(readFileSync(join(folder, file)));
  return hash.digest("hex").slice(0, 16);
}

/** The record that leads from the sources to the built addon. */
export const recordPath = (/** @type {string} */ key) =>
  join(cacheDirectory(), "addon", `${key}.json`);

/** The addon for these sources and this LibTorch. @param {{ version: string, dir: string }} libtorch */
export function addonPath(libtorch) {
  const tail = createHash("sha256")
    .update(`${libtorch.version}\n${libtorch.dir}`)
    .digest("hex")
    .slice(0, 8);
  return join(cacheDirectory(), "addon", `${sourceKey()}-${tail}`, "unrecite.node");
}

/** The first C++ compiler that answers, as words to run; CXX, when set, is the only candidate. @returns {string[]} */
export function compiler() {
  const named = process.env["CXX"]?.trim();
  const candidates = named ? [named] : ["g++", "c++", "clang++"];
  for (const candidate of candidates) {
    const [program = "", ...args] = candidate.split(/\s+/);
    if (spawnSync(program, [...args, "--version"]).status === 0) return [program, ...args];
  }
  throw new SetupFault(
    `compiler: expected a C++20 compiler (${candidates.join(", ")}) on the PATH, got none`,
    "install one (for example: apt install g++), or set CXX",
  );
}

/** node_modules may be above us, when this package is a dependency of another. */
function nodeHeaders() {
  for (let folder = packageRoot(); ; folder = dirname(folder)) {
    const headers = join(folder, "node_modules", "node-api-headers", "include");
    if (existsSync(headers)) return headers;
    if (folder === dirname(folder)) {
      throw new SetupFault(
        "addon: expected node-api-headers in node_modules, got none",
        "run: npm run setup (without --only, or with deps in it)",
      );
    }
  }
}

const digestOf = (/** @type {string} */ file) =>
  createHash("sha256").update(readFileSync(file)).digest("hex");

/** Where the hash of the addon at `path` is kept: beside it, since each LibTorch has an addon of its own. */
const digestPath = (/** @type {string} */ path) => `${path}.sha256`;

/** Whether the addon is there as it was linked: a power cut, or a full disk, may leave an empty file. @param {string} path */
const isWhole = (path) =>
  existsSync(path) &&
  existsSync(digestPath(path)) &&
  readFileSync(digestPath(path), "utf8") === digestOf(path);

/**
 * Builds when missing or damaged, and records which addon these sources use; resolves to whether it built.
 * @param {Libtorch} libtorch @param {{ say: (line: string) => void }} options @returns {Promise<boolean>}
 */
export async function buildAddon(libtorch, { say }) {
  const path = addonPath(libtorch);
  const missing = !isWhole(path);
  if (missing) {
    say(`compiling native/*.cc against LibTorch ${libtorch.version}`);
    await compile(libtorch, path).catch(keepLog);
  }
  const { dir, version, cuda } = libtorch;
  const record = recordPath(sourceKey());
  const bytes = libraryBytes(dir);
  writeFileSync(
    `${record}.${process.pid}`,
    JSON.stringify({ path, libtorch: { dir, version, cuda }, bytes }),
  );
  renameSync(`${record}.${process.pid}`, record);
  return missing;
}

/** Tells whether LibTorch was replaced since the addon was built; undefined when it is gone. @param {string} dir */
export const libraryBytes = (dir) =>
  statSync(join(dir, "lib", "libtorch_cpu.so"), { throwIfNoEntry: false })?.size;

/** Compiles in parallel, links, and puts the result in place at once. @param {Libtorch} libtorch @param {string} path */
async function compile(libtorch, path) {
  const cxx = compiler();
  const native = join(packageRoot(), "native");
  const lib = join(libtorch.dir, "lib");
  const includes = ["include", "include/torch/csrc/api/include"]
    .map((f) => join(libtorch.dir, f))
    .concat(nodeHeaders())
    .map((i) => `-I${i}`);
  clearLeftovers();
  const work = `${dirname(path)}.part-${process.pid}`;
  await inTemporary(work, async () => {
    const step = (/** @type {string[]} */ args, /** @type {string} */ what) =>
      compilerStep([...cxx, ...args], what, work);
    const files = sourcesIn(native).filter((f) => f.endsWith(".cc"));
    const object = (/** @type {string} */ file) => join(work, `${file}.o`);
    await inParallel(files, (file) =>
      step([...FLAGS, ...includes, "-c", join(native, file), "-o", object(file)], file),
    );
    const made = join(work, "unrecite.node");
    const libraries = [`-L${lib}`, "-ltorch_cpu", "-lc10", `-Wl,-rpath,${lib}`];
    await step(["-shared", "-o", made, ...files.map(object), ...libraries], "link");
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(digestPath(path), digestOf(made));
    sync(made); // or the name may outlive a power cut, and the content not
    renameSync(made, path);
    sync(dirname(path));
  });
}

/**
 * Does all, as many at once as there are cores. After a failure none begins, and what is under way ends first: the folder that it
 * works in goes with the error, the first one.
 * @param {readonly string[]} items @param {(item: string) => Promise<void>} work
 */
async function inParallel(items, work) {
  const queue = [...items];
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
  };
  /** @type {unknown[]} */
  const failures = [];
  const stop = (/** @type {unknown} */ error) => {
    queue.length = 0;
    failures.push(error);
  };
  await Promise.all(Array.from({ length: availableParallelism() }, () => worker().catch(stop)));
  if (failures.length > 0) throw failures[0];
}

/** @param {string} path */
function sync(path) {
  const file = openSync(path, "r");
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** What a killed set-up left; the caller holds the lock, so nobody is at work there. */
function clearLeftovers() {
  const folder = join(cacheDirectory(), "addon");
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(folder).filter((n) => n.includes(".part-")))
    rmSync(join(folder, name), { recursive: true, force: true });
}

/** @param {string[]} words @param {string} what @param {string} work */
async function compilerStep([program = "", ...args], what, work) {
  const { code, output } = await run(program, args, { env: { ...process.env, TMPDIR: work } });
  if (code === 0) return;
  const first = output.split("\n").find((l) => /error|fatal/i.test(l)) ?? output.split("\n")[0];
  throw new SetupFault(
    `addon: expected ${what} to compile with ${program}, got: ${first}`,
    `read ${buildLog()}; a C++20 compiler is needed (g++ >= 11, clang++ >= 14; CXX names another)`,
    `${program} ${args.join(" ")}\n${output}`,
  );
}

const buildLog = () => join(cacheDirectory(), "addon", "build.log");

/** Keeps what the compiler said, of the failure that is told. @param {unknown} error @returns {never} */
function keepLog(error) {
  if (error instanceof SetupFault && typeof error.cause === "string")
    writeFileSync(buildLog(), error.cause);
  throw error;
}
