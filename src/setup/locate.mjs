/** @file Where the built addon is, for the runtime: two small reads, no child process. */
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { libraryBytes, recordPath, sourceKey } from "./addon.mjs";
import { SetupFault } from "./fault.mjs";

/**
 * The addon that set-up built from these sources.
 * @returns {{ path: string, libtorch: { dir: string, version: string, cuda: boolean } }}
 */
export function locateAddon() {
  const fault = (/** @type {string} */ got) =>
    new SetupFault(
      `addon: expected it built for this version of unrecite, got ${got}`,
      "run: npm run setup",
    );
  const record = recordPath(sourceKey());
  if (!existsSync(record)) throw fault(`no record at ${record}`);
  const { path, libtorch, bytes } = JSON.parse(readFileSync(record, "utf8"));
  if (!existsSync(path)) throw fault(`nothing at ${path}`);
  if (libraryBytes(libtorch.dir) !== bytes)
    throw fault(`another LibTorch than ${libtorch.version} in ${libtorch.dir}`);
  const named = process.env["LIBTORCH"];
  if (named !== undefined && named !== "" && resolve(named) !== libtorch.dir)
    throw fault(`one for ${libtorch.dir}, while LIBTORCH is ${named}`);
  return { path, libtorch };
}
