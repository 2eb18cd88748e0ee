/** @file Compiles native/*.cc against the LibTorch that was found; no cmake, no node-gyp. Cached under what it depends on. */
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import { SetupFault } from "./fault.mjs";
import { cacheDirectory, packageRoot } from "./paths.mjs";
import { run } from "./wheels.mjs";

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

/** The addon for these sources and this LibTorch. @param {Libtorch} libtorch */
export function addonPath(libtorch) {
  const tail = createHash("sha256")
    .update(`${libtorch.version}\n${libtorch.dir}`)
    .digest("hex")
    .slice(0, 8);
  return join(cacheDirectory(), "addon", `${sourceKey()}-${tail}`, "unrecite.node");
}

/** The first C++ compiler that answers. @returns {string} */
export function compiler() {
  const candidates = [process.env["CXX"], "g++", "c++", "clang++"].filter(
    (c) => c !== undefined && c !== "",
  );
  for (const name of candidates)
    if (spawnSync(/** @type {string} */ (name), ["--version"]).status === 0)
      return /** @type {string} */ (name);
  throw new SetupFault(
    `compiler: expected a C++20 compiler (${candidates.join(", ")}) on the PATH, got none`,
    "install one (for example: apt install g++), or set CXX",
  );
}

/** Builds when missing, and records which addon these sources use. @param {Libtorch} libtorch @returns {Promise<boolean>} */
export async function buildAddon(libtorch) {
  const path = addonPath(libtorch);
  const fresh = !existsSync(path);
  if (fresh) await compile(libtorch, path);
  const { dir, version, cuda } = libtorch;
  const record = recordPath(sourceKey());
  writeFileSync(
    `${record}.${process.pid}`,
    JSON.stringify({ path, libtorch: { dir, version, cuda } }),
  );
  renameSync(`${record}.${process.pid}`, record);
  return fresh;
}

/** @param {Libtorch} libtorch @param {string} path */
async function compile(libtorch, path) {
  const cxx = compiler();
  const work = `${path}.part-${process.pid}`;
  const native = join(packageRoot(), "native");
  const includes = [
    `${libtorch.dir}/include`,
    `${libtorch.dir}/include/torch/csrc/api/include`,
    join(packageRoot(), "node_modules", "node-api-headers", "include"),
  ];
  mkdirSync(work, { recursive: true });
  try {
    const queue = sourcesIn(native).filter((f) => f.endsWith(".cc"));
    const objects = queue.map((f) => join(work, `${f}.o`));
    const worker = async () => {
      for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
        await step(
          cxx,
          [
            ...FLAGS,
            ...includes.map((i) => `-I${i}`),
            "-c",
            join(native, file),
            "-o",
            join(work, `${file}.o`),
          ],
          file,
        );
      }
    };
    await Promise.all(
      Array.from({ length: Math.max(1, Math.min(availableParallelism(), queue.length)) }, worker),
    );
    const lib = join(libtorch.dir, "lib");
    await step(
      cxx,
      [
        "-shared",
        "-o",
        join(work, "unrecite.node"),
        ...objects,
        `-L${lib}`,
        "-ltorch_cpu",
        "-lc10",
        `-Wl,-rpath,${lib}`,
      ],
      "link",
    );
    renameSync(join(work, "unrecite.node"), path);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** @param {string} cxx @param {string[]} args @param {string} what */
async function step(cxx, args, what) {
  const { code, output } = await run(cxx, args);
  if (code === 0) return;
  const log = join(cacheDirectory(), "addon", "build.log");
  writeFileSync(log, `${cxx} ${args.join(" ")}\n${output}`);
  const first = output.split("\n").find((l) => /error|fatal/i.test(l)) ?? output.split("\n")[0];
  throw new SetupFault(
    `addon: expected ${what} to compile with ${cxx}, got: ${first}`,
    `read ${log}; a C++20 compiler (g++ >= 11) is needed`,
  );
}
