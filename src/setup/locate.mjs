/** @file Where the built addon is, for the runtime: two small reads, no child process. */
import { existsSync, readFileSync } from "node:fs";
import { recordPath, sourceKey } from "./addon.mjs";
import { SetupFault } from "./fault.mjs";

/**
 * The addon that set-up built from these sources.
 * @returns {{ path: string, libtorch: { dir: string, version: string, cuda: boolean } }}
 */
export function locateAddon() {
  const record = recordPath(sourceKey());
  const fault = (/** @type {string} */ got) =>
    new SetupFault(
      `addon: expected it built for this version of unrecite, got ${got}`,
      "run: npm run setup",
    );
  if (!existsSync(record)) throw fault(`no record at ${record}`);
  const found = JSON.parse(readFileSync(record, "utf8"));
  if (!existsSync(found.path)) throw fault(`nothing at ${found.path}`);
  const named = process.env["LIBTORCH"];
  if (named !== undefined && named !== "" && named !== found.libtorch.dir)
    throw fault(`one for ${found.libtorch.dir}, while LIBTORCH is ${named}`);
  return found;
}
