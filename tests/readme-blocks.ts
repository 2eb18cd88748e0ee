/** @file README's code blocks: the lines of its shell blocks, and its TypeScript. */
import { readFileSync } from "node:fs";

const readme = readFileSync("README.md", "utf8");
const blocks = (language: string): string[] =>
  [...readme.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, "g"))].map((m) => m[1]!);

/** One line a command, without comments and line breaks. */
export const readmeCommands = (): string[] =>
  blocks("sh")
    .map((b) => b.replaceAll("\\\n", " "))
    .flatMap((b) => b.split("\n"))
    .map((l) => l.replace(/#.*/, "").trim())
    .filter((l) => l !== "");

export const readmeTypeScript = (): string[] => blocks("ts");
