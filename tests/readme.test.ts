/** @file README's commands exist as they are written there, its npm scripts too; `npm run test:model` runs them for real. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { flagName } from "../src/base/flags.ts";
import { COMMANDS } from "../src/cli/commands.ts";

const readme = readFileSync("README.md", "utf8");
const blocks = [...readme.matchAll(/```sh\n([\s\S]*?)```/g)].map((m) =>
  m[1]!.replaceAll("\\\n", " "),
);
const lines = blocks
  .flatMap((b) => b.split("\n"))
  .map((l) => l.replace(/#.*/, "").trim())
  .filter((l) => l !== "");

test("README has commands", () => assert.ok(lines.length >= 6));

for (const line of lines) {
  test(`README: ${line.slice(0, 60)}`, () => {
    const words = line.split(/\s+/);
    if (words[0] === "npm") {
      const { scripts } = JSON.parse(readFileSync("package.json", "utf8")) as {
        scripts: Record<string, string>;
      };
      const name = words[1] === "run" ? words[2]! : words[1]!;
      assert.ok(name in scripts, `npm script ${name}`);
      return;
    }
    assert.equal(words[0], "unrecite");
    const command = COMMANDS.find((c) => c.usage.split(" ")[0] === words[1]);
    assert.ok(command, `command ${words[1]}`);
    const known = new Set([
      "--json",
      "--quiet",
      "--recipe",
      ...Object.keys(command.flags ?? {}).map(flagName),
    ]);
    for (const word of words.filter((w) => w.startsWith("--"))) {
      assert.ok(known.has(word), `${words[1]} ${word}`);
    }
    for (const [key, flag] of Object.entries(command.flags ?? {})) {
      if (flag.required) {
        assert.ok(words.includes(flagName(key)), `${words[1]} needs ${flagName(key)}`);
      }
    }
  });
}
