/** @file run.json of every command: what went in by its hash, every setting with where it came from, also once resumed. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { COMMANDS } from "../src/cli/commands.ts";
import { openModel } from "../src/io/index.ts";
import type { Manifest } from "../src/run/index.ts";
import { sentences, temporary, textsFile, tinyModel } from "./tiny.ts";

const folder = temporary();
const at = (name: string) => join(folder, name);
const file = (name: string, count = 3) => textsFile(folder, name, sentences(name, count, 24));
const [forget, kept, heldout, retain] = ["forget", "kept", "heldout", "retain"].map((n) => file(n));
const given = { model: at("base"), prefixTokens: 12, suffixTokens: 12 };
const erasing = { ...given, forget, kept, heldout, retain, target: "ma=0,nll=9", epochs: 1 };

before(() => {
  mkdirSync(at("base"));
  return tinyModel(at("base"));
});

/** Runs a command into a directory of its own, or on in the one to be resumed. */
async function run(usage: string, options: Record<string, unknown>): Promise<Manifest> {
  const { load } = COMMANDS.find((c) => c.usage === usage)!;
  const path = options["resume"] ?? at(`run-${usage}-${++runs}`);
  const own = options["resume"] === undefined ? { ...options, run: path } : options;
  await (
    await load()
  ).run({ operands: [], given: own, json: false, quiet: true, recipe: undefined });
  return manifestIn(path as string);
}
let runs = 0;
const manifestIn = (path: string) =>
  JSON.parse(readFileSync(join(path, "run.json"), "utf8")) as Manifest;
const runOf = ({ settings }: Manifest): string => settings["run"]!.value as string;

const salted = (m: Manifest, content: string): string =>
  createHash("sha256")
    .update(readFileSync(join(runOf(m), "salt")))
    .update(content)
    .digest("hex");
/** As `textsHash` says it: a line for each text. */
const hashOf = (name: string, count = 3): string =>
  createHash("sha256")
    .update(
      sentences(name, count, 24)
        .map((text, i) => `${JSON.stringify([`${name}-${i}`, text, null, null, null, null])}\n`)
        .join(""),
    )
    .digest("hex");

test("run.json holds the hashes of model, tokenizer and texts, those of texts salted", async () => {
  const source = await openModel(at("base"));
  const [model, tokenizer] = [await source.hash(), (await source.tokenizer()).sha256];
  source.close();
  const many = file("many", 300); // more than a page
  for (const [usage, options, texts] of [
    ["audit", { ...given, texts: many }, { texts: hashOf("many", 300) }],
    ["evaluate", { ...given, forget, kept }, { forget: hashOf("forget"), kept: hashOf("kept") }],
    [
      "memorize",
      { ...given, texts: forget, general: retain, heldout, epochs: 1, out: at("made") },
      { texts: hashOf("forget"), general: hashOf("retain"), heldout: hashOf("heldout") },
    ],
  ] as const) {
    const manifest = await run(usage, options);
    const hashes = Object.fromEntries(
      Object.entries(texts).map(([name, hash]) => [`texts:${name}`, salted(manifest, hash)]),
    );
    assert.deepEqual(manifest.hashes, { model, tokenizer, ...hashes }, usage);
  }
});

test("erase: hashes of every set, the method's settings as such, origins kept by --resume", async () => {
  const { hashes, settings, ...manifest } = await run("erase", {
    ...erasing,
    rank: 4,
    lr: 3e-2,
    utilityBudget: 50,
  });
  const names = ["forget", "heldout", "kept", "retain"].map((n) => `texts:${n}`);
  assert.deepEqual(Object.keys(hashes).sort(), ["model", "patch", ...names, "tokenizer"].sort());
  assert.deepEqual(settings["rank"], { value: 4, from: "flag" });
  assert.deepEqual(settings["checkpointEvery"], { value: 10, from: "default" });
  for (const key of ["select", "groups", "samples", "rounding", "scope", "batch", "warmup"]) {
    assert.equal(settings[key]?.from, "method", key);
    assert.notEqual(settings[key]?.value, undefined, key);
  }
  assert.equal(settings["promptTokens"]?.value, undefined, "not read by emso");
  const path = runOf({ settings } as unknown as Manifest);
  const stopped = { ...manifest, hashes, settings, status: "interrupted" };
  writeFileSync(join(path, "run.json"), JSON.stringify(stopped));
  const resumed = await run("erase", { resume: path, epochs: 2 });
  const changed = {
    resume: { value: path, from: "flag" },
    epochs: { value: 2, from: "flag" },
  };
  assert.deepEqual(resumed.settings, { ...settings, ...changed });
});
