/**
 * @file The results, one small JSON a cell, committed: target, recipe, learning-rate factor and seed are its name; the hash of the
 * code that made it, the machine and the figures are its content.
 */
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { cpus, totalmem } from "node:os";
import { join, relative } from "node:path";
import { packageRoot } from "../../src/setup/paths.mjs";
import type { Status } from "./erasing.ts";
import type { Figures } from "./figures.ts";
import type { Plan, RecipeFlags } from "./plan.ts";
import { nameOf } from "./sets.ts";

export type Machine = {
  readonly cpu: string;
  readonly cores: number;
  readonly memory_gib: number;
  readonly device: string;
  readonly threads: number;
};

/** Rows that no method made: before injection, before erasing, and what a perfect eraser would give. */
export const LANDMARKS = ["original", "target", "oracle"] as const;
export type Landmark = (typeof LANDMARKS)[number];

export type Cell = {
  readonly schema: "unrecite/study/v1";
  readonly target: string;
  readonly recipe: string;
  readonly flags: RecipeFlags;
  readonly factor: number;
  readonly lr: number | null;
  readonly seed: number;
  readonly status: Status | Landmark | "failed";
  readonly error: string | null;
  readonly code: string;
  readonly machine: Machine;
  readonly epochs: number;
  readonly steps: number;
  readonly seconds: number;
  readonly peak_rss_bytes: number;
  readonly gradient_range: number | null;
  readonly selected: number | null;
  readonly changed: number | null;
  readonly patch_bytes: number | null;
  /** L2 norm of all that changed, as a share of the norm of those tensors. */
  readonly moved: number | null;
  readonly course: readonly (readonly number[])[];
  readonly figures: Figures | null;
};

export const resultsFolder = join(packageRoot(), "bench", "study", "results");

const fileName = (plan: Pick<Plan, "recipe" | "factor" | "seed">): string =>
  `${plan.recipe.name}@${plan.factor.toPrecision(2)}-s${plan.seed}.json`;

export const cellPath = (plan: Plan): string =>
  join(resultsFolder, nameOf(plan.target), fileName(plan));

export const landmarkPath = (target: Plan["target"], name: Landmark): string =>
  join(resultsFolder, nameOf(target), `${name}.json`);

export const readCell = (path: string): Cell | undefined =>
  existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Cell) : undefined;

/** All that was measured on a target, whatever stage asked for it; no landmarks. */
export function cellsOf(target: Plan["target"]): Cell[] {
  const folder = join(resultsFolder, nameOf(target));
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((file) => file.includes("@"))
    .sort()
    .map((file) => readCell(join(folder, file))!);
}

/** Five significant digits: more is noise, and the files are committed. */
const short = (_: string, value: unknown): unknown =>
  typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value;

export function writeCell(path: string, cell: Cell): void {
  mkdirSync(join(path, ".."), { recursive: true });
  const text = `${JSON.stringify(cell, short, 1)}\n`;
  writeFileSync(`${path}.part`, text);
  renameSync(`${path}.part`, path);
}

/** What decides a figure besides recipe and seed: the code that reads, trains and measures. Commands, reports and tests do not. */
const LAYERS = ["base", "torch", "nn", "io", "models", "eval", "unlearn"].map((l) =>
  join("src", l),
);
const VERBS = ["erase-output", "erase-run", "erase-settings", "flags", "memorize", "sets"];
const STUDY = [
  "cell",
  "divergence",
  "erasing",
  "figures",
  "lambada",
  "relearn",
  "sampling",
  "sets",
  "target",
];
const FILES = [
  join("bench", "families.ts"),
  ...VERBS.map((f) => join("src", "verbs", `${f}.ts`)),
  ...STUDY.map((f) => join("bench", "study", `${f}.ts`)),
];

export function codeHash(): string {
  const root = packageRoot();
  const files = LAYERS.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((e) => e.isFile() && e.name.endsWith(".ts") && !e.name.endsWith(".test.ts"))
      .map((e) => relative(root, join(e.parentPath, e.name))),
  );
  const hash = createHash("sha256");
  for (const file of [...files, ...FILES].sort()) {
    hash.update(`${file}\n`).update(readFileSync(join(root, file)));
  }
  return hash.digest("hex").slice(0, 12);
}

export const machineOf = (device: string, threads: number): Machine => ({
  cpu: cpus()[0]?.model ?? "unknown",
  cores: cpus().length,
  memory_gib: Math.round(totalmem() / 2 ** 30),
  device,
  threads,
});
