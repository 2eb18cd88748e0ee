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

/** ok · note: missing, but nothing needs it now · fault: nothing runs, or can be set up, until it is there. */
export type FindingState = "ok" | "note" | "fault";

/** `wayOut` is there whenever `state` is not ok. */
export type Finding = { name: string; state: FindingState; found: string; wayOut?: string };

/** `cuda`: LibTorch has it and the machine has a device; only loading it proves that it works. */
export type DoctorReport = {
  schema: "unrecite/doctor/v1";
  ok: boolean;
  exitCode: 0 | 3;
  findings: Finding[];
  libtorch: Libtorch | null;
  addon: string | null;
  device: "cpu" | "cuda";
  threads: number;
  dtype: { dtype: "float32" | "bfloat16"; reason: string };
  cpuFlags: string[];
};

const ok = (name: string, found: string): Finding => ({ name, state: "ok", found });

/** Runs a check; what it throws becomes its finding. */
function finding(name: string, check: () => string, missing: FindingState = "fault"): Finding {
  try {
    return ok(name, check());
  } catch (error) {
    const found = messageOf(error).split("\n")[0]!;
    const wayOut = error instanceof SetupFault ? error.wayOut : "run: npm run setup";
    return { name, state: missing, found, wayOut };
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
  if (status !== 0 || version === undefined || python === undefined)
    throw new SetupFault("python: expected python3 -m pip to work, got none", way);
  const [major = 0, minor = 0] = python.split(".").map(Number);
  if (major * 1000 + minor < 3010)
    throw new SetupFault(`python: expected >= 3.10, got ${python}`, way);
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

function deviceOf(libtorch: Libtorch | undefined): Finding {
  if (!existsSync("/dev/nvidia0")) return ok("device", "cpu (no NVIDIA device)");
  if (libtorch?.cuda === true) return ok("device", "cuda");
  return {
    name: "device",
    state: "note",
    found: "cpu: an NVIDIA device is here, but LibTorch was built or fetched without CUDA",
    wayOut: "pip install torch==2.15.0 into the python3 on the PATH, then run: npm run setup",
  };
}

/** Everything that a run depends on, found out in about a second; ok when nothing is at fault. */
export function diagnose(): Promise<DoctorReport> {
  const passedOver: string[] = [];
  let libtorch: Libtorch | undefined;
  let addon: string | undefined;
  const found = finding("libtorch", () => {
    libtorch = findLibtorch((line) => passedOver.push(line));
    if (libtorch !== undefined)
      return `${libtorch.version} from ${libtorch.from} (${libtorch.dir}), C++11 ABI`;
    throw new SetupFault(
      `libtorch: expected one, got none${passedOver.map((line) => `; ${line}`).join("")}`,
      "run: npm run setup (it fetches LibTorch)",
    );
  });
  const built = finding("addon", () => (addon = locateAddon().path));
  const unlessBuilt = addon === undefined ? "fault" : "note";
  const unlessFound = libtorch === undefined ? "fault" : "note";
  const flags = cpuFlags();
  const dtype = chooseDType("auto", flags);
  const threads = availableParallelism();
  const findings = [
    finding("platform", () => requirePlatform()),
    finding("node", node),
    finding("compiler", cxx20, unlessBuilt),
    finding("python", pip, unlessFound),
    found,
    built,
    ok("cpu", flags.join(" ") || "none of the features that matter"),
    deviceOf(libtorch),
    ok("threads", String(threads)),
    ok("dtype", `${dtype.dtype} (${dtype.reason})`),
    finding("disk", () => disk(libtorch === undefined ? LIBTORCH_SPACE : 0)),
  ];
  const sound = findings.every((f) => f.state !== "fault");
  const device = findings.some((f) => f.name === "device" && f.found === "cuda") ? "cuda" : "cpu";
  return Promise.resolve({
    schema: "unrecite/doctor/v1",
    ok: sound,
    exitCode: sound ? 0 : 3,
    findings,
    libtorch: libtorch ?? null,
    addon: addon ?? null,
    device,
    threads,
    dtype,
    cpuFlags: flags,
  });
}
