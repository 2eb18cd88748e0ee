/** @file For the tests that take things away: set-up as a user runs it, with a cache of its own and a PATH that we choose. */
import { spawn, type ChildProcess } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

export const script = fileURLToPath(new URL("../../scripts/setup.mjs", import.meta.url));

export type Ended = { code: number | null; signal: NodeJS.Signals | null; said: string };
export type Running = { child: ChildProcess; ended: Promise<Ended>; said: () => string };
type Env = Record<string, string | undefined>;

/** A folder for one test, and what removes it. */
export function scratch(): { folder: string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), "unrecite-setup-"));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** Starts set-up; variables that are undefined are taken away. */
export function start(folder: string, args: string[], env: Env = {}): Running {
  const own: Env = { LIBTORCH: undefined, CXX: undefined, UNRECITE_CACHE: join(folder, "cache") };
  const child = spawn(process.execPath, [script, ...args], {
    env: { ...process.env, ...own, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => (said += chunk.toString()));
  }
  const ended = new Promise<Ended>((resolve) => {
    child.on("close", (code, signal) => resolve({ code, signal, said }));
  });
  return { child, ended, said: () => said };
}

export const setup = (folder: string, args: string[], env: Env = {}): Promise<Ended> =>
  start(folder, args, env).ended;

/** Resolves when `ready` holds; rejects after `seconds`. */
export async function until(ready: () => boolean, { seconds = 60 } = {}): Promise<void> {
  for (let i = 0; !ready(); i++) {
    if (i > seconds * 50) throw new Error(`until: expected it within ${seconds} s, got nothing`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A PATH with these programs of the machine alone, and these scripts in place of others. */
export function pathWith(folder: string, programs: string[], scripts: Env = {}): string {
  const bin = join(folder, "bin");
  mkdirSync(bin, { recursive: true });
  for (const name of programs) {
    const from = process.env["PATH"]!.split(delimiter).map((p) => join(p, name));
    symlinkSync(
      from.find((p) => existsSync(p))!,
      join(bin, name),
    );
  }
  for (const [name, body] of Object.entries(scripts)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${body}\n`);
    chmodSync(join(bin, name), 0o755);
  }
  return bin;
}

/** A folder that passes for LibTorch until something is compiled against it. */
export function fakeLibtorch(folder: string, version: string): string {
  const dir = join(folder, `torch-${version}`);
  for (const sub of ["lib", "include"]) mkdirSync(join(dir, sub), { recursive: true });
  writeFileSync(join(dir, "version.py"), `__version__ = '${version}'\n`);
  writeFileSync(join(dir, "lib", "libtorch_cpu.so"), "");
  writeFileSync(join(dir, "lib", "libc10.so"), "__cxx11");
  return dir;
}
