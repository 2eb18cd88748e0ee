/**
 * @file Where things lie: the cache directory and this package. Plain JavaScript, like all of src/setup/*.mjs: the set-up
 * script runs it before any dependency is installed, the runtime after it was compiled.
 */
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** UNRECITE_CACHE, else XDG_CACHE_HOME or ~/.cache, + /unrecite. */
export function cacheDirectory() {
  const own = process.env["UNRECITE_CACHE"];
  if (own !== undefined && own !== "") return own;
  const xdg = process.env["XDG_CACHE_HOME"];
  return join(xdg !== undefined && xdg !== "" ? xdg : join(homedir(), ".cache"), "unrecite");
}

/** The package's root, found from src/setup as from dist/setup. */
export function packageRoot() {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return folder;
}

/** The demo model's file, whether it was fetched or not. */
export const demoModelPath = () =>
  join(cacheDirectory(), "models", "SmolLM2-135M-Instruct.Q4_1.gguf");
