#!/usr/bin/env node
/**
 * @file Runs tests, after whatever set-up they need. Usage: node scripts/test.mjs [--suite model|setup|fuzz|gpu] [FILTER…]
 * Without --suite: everything that needs neither a model download nor minutes. A filter is part of a file name. The suite gpu
 * is the tests that compute, once more, on the GPU.
 */
import { existsSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { spawnSync } from "node:child_process";
import { packageRoot } from "../src/setup/paths.mjs";

const root = packageRoot();
const SUITES = ["model", "setup", "fuzz"];
const ON_GPU =
  /golden.models|golden.erasers|options|e2e|resume|losses|select|companions|natural|rounding/;
const args = process.argv.slice(2);
const at = args.indexOf("--suite");
const suite = at < 0 ? undefined : args[at + 1];
if (at >= 0 && ![...SUITES, "gpu"].includes(suite ?? "")) {
  process.stderr.write(`test: expected --suite ${SUITES.join("|")}|gpu, got ${suite}\n`);
  process.exit(2);
}
const filters = args.filter((_, i) => at < 0 || (i !== at && i !== at + 1));

const steps = ["deps", "libtorch", "addon", "build", ...(suite === "model" ? ["demo-model"] : [])];
const setup = spawnSync(
  process.execPath,
  [join(root, "scripts", "setup.mjs"), "--only", steps.join(",")],
  { stdio: "inherit" },
);
if (setup.status !== 0) process.exit(setup.status ?? 3);

/** @param {string} folder @returns {string[]} */
const testsIn = (folder) =>
  !existsSync(join(root, folder))
    ? []
    : readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
        .filter((e) => e.isFile() && e.name.endsWith(".test.ts"))
        .map((e) => relative(root, join(e.parentPath, e.name)));

const inSuite = (/** @type {string} */ file) =>
  SUITES.some((s) => file.startsWith(join("tests", s) + "/"));
const quick = [
  ...["src", "bench"].flatMap(testsIn),
  ...testsIn("tests").filter((f) => !inSuite(f)),
];
const all =
  suite === undefined
    ? quick
    : suite === "gpu"
      ? quick.filter((f) => ON_GPU.test(f))
      : testsIn(join("tests", suite));
const files = all.filter((f) => filters.length === 0 || filters.some((x) => f.includes(x))).sort();
if (files.length === 0) {
  process.stderr.write(
    `test: expected files that match ${filters.join(" ") || `suite ${suite}`}, got none\n`,
  );
  process.exit(2);
}
const concurrency = suite === undefined ? 2 : 1; // each file loads its own LibTorch
const run = spawnSync(
  process.execPath,
  [
    "--import",
    "tsx",
    ...(suite === "gpu" ? ["--import", "./tests/on-cuda.ts"] : []),
    "--test",
    `--test-concurrency=${concurrency}`,
    "--test-reporter=spec",
    ...files,
  ],
  {
    cwd: root,
    stdio: "inherit",
    // two files at once have more threads than cores: waiting threads must sleep, not spin
    env: { OMP_WAIT_POLICY: "passive", ...process.env, NODE_NO_WARNINGS: "1" },
  },
);
process.exit(run.status ?? 1);
