/** @file README's code blocks: the lines of its shell and console blocks, and its TypeScript. */
import { readFileSync } from "node:fs";

const readme = readFileSync("README.md", "utf8");
const blocks = (language: string): string[] =>
  [...readme.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, "g"))].map((m) => m[1]!);

/** One line a command, without comments and line breaks: those that run as they stand. */
export const readmeCommands = (): string[] => commandsIn("sh");

/** Those with a reader's own files in them. */
export const readmeExamples = (): string[] => commandsIn("console");

const commandsIn = (language: string): string[] =>
  blocks(language)
    .map((b) => b.replaceAll("\\\n", " "))
    .flatMap((b) => b.split("\n"))
    .map((l) => l.replace(/#.*/, "").trim())
    .filter((l) => l !== "");

export const readmeTypeScript = (): string[] => blocks("ts");
