/** @file Lines per layer, and the files over the soft limit of 400. Run: npm run sz */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const layers = new Map<string, { files: number; lines: number }>();
for (const top of ["native", "src", "scripts", "bench", "tests"]) {
  for (const entry of readdirSync(join(root, top), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !/\.(ts|mjs|cc|h|py)$/.test(entry.name)) continue;
    const path = join(entry.parentPath, entry.name).slice(root.length);
    const parts = path.split("/");
    const test = entry.name.includes(".test.");
    const layer = test
      ? "(tests beside sources)"
      : top === "src"
        ? `src/${parts.length > 2 ? parts[1]! : ""}`
        : top;
    const lines = readFileSync(join(root, path), "utf8").split("\n").length - 1;
    const sum = layers.get(layer) ?? { files: 0, lines: 0 };
    layers.set(layer, { files: sum.files + 1, lines: sum.lines + lines });
    if (lines > 400) console.log(`over 400: ${path} (${lines})`);
  }
}
for (const [layer, { files, lines }] of [...layers].sort()) {
  console.log(
    `${layer.padEnd(24)} ${String(files).padStart(4)} files ${String(lines).padStart(6)} lines`,
  );
}
