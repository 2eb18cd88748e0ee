/**
 * @file Passages of natural prose from what the installation brings: documentation and comments of the packages in
 * node_modules. The lockfile pins them, so every installation finds the same ones.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Long enough, mostly letters, ends like a sentence, no code and no links. @param {string} text */
const isProse = (text) =>
  text.length >= 280 &&
  (text.match(/[a-z ,.]/gi) ?? []).length / text.length > 0.93 &&
  /[.!?]$/.test(text) &&
  !/https?:|[`{}<>|]/.test(text);

/** @param {string} markdown */
const paragraphs = (markdown) =>
  markdown
    .replace(/```[\s\S]*?```/g, "\n\n")
    .split(/\n\s*\n/)
    .map((p) =>
      p
        .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
        .replace(/[*_`]/g, "")
        .replace(/^[#>\-\s]+/gm, "")
        .replace(/\s+/g, " ")
        .trim(),
    );

/** @param {string} source */
const blockComments = (source) =>
  [...source.matchAll(/\/\*\*([\s\S]*?)\*\//g)].map((m) =>
    (m[1] ?? "")
      .replace(/^\s*\* ?/gm, "")
      .replace(/\s+/g, " ")
      .trim(),
  );

/** @param {string} source */
const lineComments = (source) =>
  [...source.matchAll(/((?:^\s*\/\/ .*\n){3,})/gm)].map((m) =>
    (m[1] ?? "")
      .replace(/^\s*\/\/ ?/gm, "")
      .replace(/\s+/g, " ")
      .trim(),
  );

/** All passages, in a fixed order, each once. @param {string} root the package's folder @returns {string[]} */
export function passages(root) {
  const modules = join(root, "node_modules");
  const packages = readdirSync(modules)
    .filter((n) => !n.startsWith("."))
    .flatMap((n) =>
      n.startsWith("@") ? readdirSync(join(modules, n)).map((m) => join(n, m)) : [n],
    )
    .sort();
  const found = new Set();
  for (const name of packages) {
    for (const file of ["README.md", "readme.md"]) {
      const path = join(modules, name, file);
      if (existsSync(path))
        for (const p of paragraphs(readFileSync(path, "utf8"))) if (isProse(p)) found.add(p);
    }
  }
  const lib = join(modules, "typescript", "lib");
  for (const file of readdirSync(lib).sort()) {
    const read = /^(lib\..*|typescript)\.d\.ts$/.test(file)
      ? blockComments
      : file === "typescript.js"
        ? lineComments
        : undefined;
    if (read !== undefined)
      for (const p of read(readFileSync(join(lib, file), "utf8"))) if (isProse(p)) found.add(p);
  }
  return [...found];
}
