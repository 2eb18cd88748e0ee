/**
 * @file Finds LibTorch: LIBTORCH, then a Python that can import torch, then the cache. Refuses, by name, versions that the
 * addon was not made for and the old C++ ABI.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { SetupFault } from "./fault.mjs";
import { cacheDirectory } from "./paths.mjs";

/** major · 1000 + minor */
export const OLDEST = 2007;
export const NEWEST = 2015;
export const PINNED = "2.15.0";

/** @typedef {{ dir: string, version: string, from: string, cuda: boolean }} Libtorch */

/** Where the fetched wheels are unpacked. */
export const fetchedDirectory = () => join(cacheDirectory(), "libtorch", PINNED);

/** @param {string} dir a folder with include/ and lib/ @returns {string | undefined} */
function versionOf(dir) {
  for (const [file, pattern] of /** @type {[string, RegExp][]} */ ([
    ["version.py", /__version__ = ['"]([^'"]+)/],
    ["build-version", /^(\S+)/],
  ])) {
    const path = join(dir, file);
    const found = existsSync(path) ? pattern.exec(readFileSync(path, "utf8")) : null;
    if (found !== null) return found[1];
  }
  return undefined;
}

/** The old ABI spells std::string without __cxx11 in every symbol. @param {string} dir */
function hasNewAbi(dir) {
  const file = join(dir, "lib", "libc10.so");
  return existsSync(file) && readFileSync(file).includes("__cxx11");
}

/**
 * Checks a folder that someone says is LibTorch.
 * @param {string} dir @param {string} from @returns {Libtorch}
 */
export function checkLibtorch(dir, from) {
  const version = versionOf(dir);
  const wayOut = `unset ${from === "LIBTORCH" ? "LIBTORCH" : "that installation"}, or install torch ${PINNED}; npm run setup fetches it by itself`;
  if (
    version === undefined ||
    !existsSync(join(dir, "lib", "libtorch_cpu.so")) ||
    !existsSync(join(dir, "include"))
  ) {
    throw new SetupFault(
      `libtorch: expected version.py, include/ and lib/libtorch_cpu.so in ${dir} (${from}), got none`,
      wayOut,
    );
  }
  const [major = 0, minor = 0] = version.split(".").map((n) => Number.parseInt(n, 10));
  const at = major * 1000 + minor;
  if (at < OLDEST || at > NEWEST) {
    throw new SetupFault(
      `libtorch: expected 2.7 to 2.15, got ${version} in ${dir} (${from})`,
      wayOut,
    );
  }
  if (!hasNewAbi(dir)) {
    throw new SetupFault(
      `libtorch: expected the C++11 ABI, got the old one in ${dir} (${from}, ${version})`,
      wayOut,
    );
  }
  return { dir, version, from, cuda: existsSync(join(dir, "lib", "libtorch_cuda.so")) };
}

/** The torch of a Python on the PATH, found without importing it. @returns {string | undefined} */
function pythonTorch() {
  const code =
    "import importlib.util as u; s = u.find_spec('torch'); print(s.submodule_search_locations[0] if s and s.submodule_search_locations else '')";
  const run = spawnSync("python3", ["-c", code], { encoding: "utf8", timeout: 20_000 });
  const dir = run.status === 0 ? run.stdout.trim() : "";
  return dir === "" ? undefined : dir;
}

/** LibTorch as it would be used now, or undefined when it must be fetched.
 * @param {(line: string) => void} [say] told what was passed over @returns {Libtorch | undefined} */
export function findLibtorch(say = (line) => process.stderr.write(`${line}\n`)) {
  const named = process.env["LIBTORCH"];
  if (named !== undefined && named !== "") return checkLibtorch(resolve(named), "LIBTORCH");
  const dir = pythonTorch();
  if (dir !== undefined) {
    try {
      return checkLibtorch(dir, "python3");
    } catch (error) {
      say(`passed over: ${/** @type {Error} */ (error).message.split("\n")[0]}`);
    }
  }
  const cached = join(fetchedDirectory(), "torch");
  return existsSync(join(cached, "version.py")) ? checkLibtorch(cached, "cache") : undefined;
}
