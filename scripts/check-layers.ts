/**
 * @file Fails when an import points right: a layer may import itself and what stands left of it. Tests are free.
 * Run: npm run layers
 */
import { readdirSync, readFileSync } from "node:fs";
import { join, normalize, relative } from "node:path";
import { fileURLToPath } from "node:url";

/** Left to right; names in one group may import each other's left only, never each other. */
const ORDER = [
  ["base"],
  ["setup"],
  ["torch"],
  ["nn", "io"],
  ["models"],
  ["eval", "patch"],
  ["unlearn"],
  ["run"],
  ["report"],
  ["verbs"],
  ["index.ts"],
  ["cli"],
];
const src = fileURLToPath(new URL("../src", import.meta.url));

const rankOf = (layer: string): number => ORDER.findIndex((group) => group.includes(layer));
const layerOf = (file: string): string => relative(src, file).split("/")[0]!;

const problems: string[] = [];
for (const entry of readdirSync(src, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || !/\.(ts|mjs)$/.test(entry.name) || entry.name.endsWith(".test.ts")) {
    continue;
  }
  const file = join(entry.parentPath, entry.name);
  const layer = layerOf(file);
  if (rankOf(layer) < 0) {
    problems.push(`${relative(src, file)}: layer "${layer}" is not in the order`);
  }
  for (const [, path] of readFileSync(file, "utf8").matchAll(/(?:from|import\()\s*"(\.[^"]+)"/g)) {
    const target = layerOf(normalize(join(entry.parentPath, path!)));
    const points = target === layer || rankOf(target) < rankOf(layer);
    if (!points) {
      problems.push(`${relative(src, file)}: ${layer} may not import ${target} (${path})`);
    }
  }
}
if (problems.length > 0) {
  console.error(
    `layers: expected imports to point left in ${ORDER.map((g) => g.join(", ")).join(" → ")}, got\n${problems.join("\n")}`,
  );
  process.exitCode = 1;
}
