#!/usr/bin/env node
/** @file `npm run study -- --stage a|b|c --budget 120m`: sets up, then runs bench/study/main.ts. */
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import { packageRoot } from "../src/setup/paths.mjs";

const root = packageRoot();
const setup = spawnSync(process.execPath, [join(root, "scripts", "setup.mjs"), "--demo-model"], {
  stdio: "inherit",
});
if (setup.status !== 0) process.exit(setup.status ?? 3);
const run = spawnSync(
  process.execPath,
  ["--import", "tsx", join(root, "bench", "study", "main.ts"), ...process.argv.slice(2)],
  { stdio: "inherit", cwd: root },
);
process.exit(run.status ?? 1);
