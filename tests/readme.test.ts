/** @file README's commands exist as they are written there, its npm scripts too; `npm run test:model` runs them for real. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { flagName } from "../src/base/flags.ts";
import { COMMANDS } from "../src/cli/commands.ts";
import { readmeCommands, readmeExamples, readmeTypeScript } from "./readme-blocks.ts";

const lines = [...readmeCommands(), ...readmeExamples()];

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

test("README's TypeScript compiles against the built package", () => {
  const path = "dist/.readme.ts"; // inside the package, so that it can import itself by name
  writeFileSync(path, readmeTypeScript().join("\n"));
  try {
    const options = ["--noEmit", "--strict", "--skipLibCheck", "--types", "node"];
    const target = ["--target", "es2022", "--module", "nodenext", "--ignoreConfig"];
    const tsc = "node_modules/typescript/bin/tsc";
    const { status, stdout } = spawnSync(process.execPath, [tsc, ...options, ...target, path], {
      encoding: "utf8",
    });
    assert.equal(status, 0, stdout);
  } finally {
    rmSync(path);
  }
});
