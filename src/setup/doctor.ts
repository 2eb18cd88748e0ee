/**
 * @file What `doctor` knows without loading LibTorch: one finding for each thing that this program needs, and a way out for
 * each that is missing. Looks only; changes nothing, downloads nothing.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname } from "node:path";
import { messageOf } from "../base/errors.ts";
import { compiler } from "./addon.mjs";
import { chooseDType, cpuFlags } from "./cpu.mjs";
import { SetupFault } from "./fault.mjs";
import { findLibtorch, type Libtorch } from "./libtorch.mjs";
import { locateAddon } from "./locate.mjs";
import { cacheDirectory } from "./paths.mjs";
import { requirePlatform } from "./platform.mjs";
import { freeBytesAt, LIBTORCH_SPACE } from "./wheels.mjs";

/** Not `ok`: nothing runs, or can be set up, until it is there; `wayOut` says how. */
export type DoctorRow = { name: string; ok: boolean; found: string; wayOut?: string };

export type DoctorReport = { rows: DoctorRow[]; libtorch: Libtorch | null; addon: string | null };

const row = (name: string, found: string): DoctorRow => ({ name, ok: true, found });

/** Runs a check; what it throws becomes its row. What is not needed now may be missing. */
function check(name: string, look: () => string, { needed = true } = {}): DoctorRow {
  try {
    return row(name, look());
  } catch (error) {
    const found = messageOf(error).split("\n")[0]!;
    const wayOut = error instanceof SetupFault ? error.wayOut : "run: npm run setup";
    return needed ? { name, ok: false, found, wayOut } : row(name, `${found} (not needed now)`);
  }
}

function node(): string {
  const version = process.versions.node;
  if (Number.parseInt(version, 10) >= 20) return `${version} (ABI ${process.versions.modules})`;
  throw new SetupFault(`node: expected >= 20, got ${version}`, "install Node 20 or newer");
}

/** Compiles a line that only C++20 with its library knows: a version number would not tell. */
function cxx20(): string {
  const [program = "", ...args] = compiler();
  const probe = [...args, "-std=c++20", "-fsyntax-only", "-x", "c++", "-"];
  const { status } = spawnSync(program, probe, { input: "#include <concepts>\n#include <span>\n" });
  const version = spawnSync(program, [...args, "--version"], { encoding: "utf8" }).stdout;
  const name = version.split("\n")[0]!;
  if (status === 0) return name;
  throw new SetupFault(
    `compiler: expected one that compiles C++20, got ${name}`,
    "install a newer one (g++ >= 11, clang++ >= 14), or name it with CXX",
  );
}

function pip(): string {
  const { status, stdout } = spawnSync("python3", ["-m", "pip", "--version"], { encoding: "utf8" });
  const [, version, python] = /^pip (\S+).*\(python (\S+)\)/.exec(stdout ?? "") ?? [];
  const way = "install Python >= 3.10 with pip (needed only to fetch LibTorch), or set LIBTORCH";
  if (status !== 0 || version === undefined || python === undefined) {
    throw new SetupFault("python: expected python3 -m pip to work, got none", way);
  }
  const [major = 0, minor = 0] = python.split(".").map(Number);
  if (major * 1000 + minor < 3010) {
    throw new SetupFault(`python: expected >= 3.10, got ${python}`, way);
  }
  return `python ${python}, pip ${version}`;
}

/** Free space where the cache lies, or would lie; it must suffice only for what is still to be fetched. */
function disk(needed: number): string {
  let folder = cacheDirectory();
  while (!existsSync(folder)) folder = dirname(folder);
  const free = freeBytesAt(folder);
  const gb = (bytes: number): string => `${(bytes / 1e9).toFixed(2)} GB`;
  if (free >= needed) return `${gb(free)} free in ${folder}`;
  throw new SetupFault(
    `space: expected ${gb(needed)} free in ${folder}, got ${gb(free)}`,
    "free some space, or set UNRECITE_CACHE to a larger disk",
  );
}

/** Where auto will compute. Seen from the files alone: what answers is known when LibTorch is loaded. */
function device(libtorch: Libtorch | undefined): string {
  if (!existsSync("/dev/nvidiactl")) return "cpu (no NVIDIA device)";
  return libtorch?.cuda === true
    ? "cuda (an NVIDIA device, and a LibTorch with CUDA)"
    : "cpu (an NVIDIA device is here, but this LibTorch is for the CPU: install a torch with CUDA for python3, then run npm run setup)";
}

/** Everything that a run depends on, found out in about a second. */
export function diagnose(): Promise<DoctorReport> {
  const passedOver: string[] = [];
  let libtorch: Libtorch | undefined;
  let addon: string | undefined;
  const found = check("libtorch", () => {
    libtorch = findLibtorch((line) => passedOver.push(line));
    if (libtorch !== undefined) {
      return `${libtorch.version} from ${libtorch.from} (${libtorch.dir}), C++11 ABI`;
    }
    throw new SetupFault(
      ["libtorch: expected one, got none", ...passedOver].join("; "),
      "run: npm run setup (it fetches LibTorch)",
    );
  });
  const built = check("addon", () => (addon = locateAddon().path));
  const flags = cpuFlags();
  const where = device(libtorch);
  const { dtype, reason } = chooseDType("auto", {
    flags,
    device: where.startsWith("cuda") ? "cuda" : "cpu",
  });
  const rows = [
    check("platform", () => requirePlatform()),
    check("node", node),
    check("compiler", cxx20, { needed: addon === undefined }),
    check("python", pip, { needed: libtorch === undefined }),
    found,
    built,
    row("cpu", flags.join(" ") || "none of the features that matter"),
    row("device", where),
    row("threads", String(availableParallelism())),
    row("dtype", `${dtype} (${reason})`),
    check("disk", () => disk(libtorch === undefined ? LIBTORCH_SPACE : 0)),
  ];
  return Promise.resolve({ rows, libtorch: libtorch ?? null, addon: addon ?? null });
}
