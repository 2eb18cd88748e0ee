#!/usr/bin/env node
/**
 * @file The main job on a real model, from nothing: set up, make texts, then memorize → audit → erase → evaluate → report with
 * public commands only, each printed before it runs. Ends with ten lines and the report's path.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { spawnSync } from "node:child_process";
import { pathToFileURL } from "node:url";
import { demoModelPath, packageRoot } from "../src/setup/paths.mjs";
import { flags, unrecite } from "./commands.mjs";

const root = packageRoot();
const SIZE = { forget: 16, kept: 16, unseen: 16, heldout: 8 };
const [PREFIX, SUFFIX] = [32, 32];
const began = performance.now();

const setup = spawnSync(process.execPath, [join(root, "scripts", "setup.mjs"), "--demo-model"], {
  stdio: "inherit",
});
if (setup.status !== 0) process.exit(setup.status ?? 3);

const work = join(root, "runs", "quickstart");
rmSync(work, { recursive: true, force: true });
mkdirSync(work, { recursive: true });
const at = (/** @type {string} */ name) => relative(process.cwd(), join(work, name));
const model = demoModelPath();

/** Cuts passages to whole windows and deals them out; no 8-token run is shared between two sets. */
async function makeTexts() {
  const { passages } = await import(pathToFileURL(join(root, "scripts", "passages.mjs")).href);
  const { openModel } = await import(pathToFileURL(join(root, "dist", "io", "index.js")).href);
  const source = await openModel(model);
  const tokenizer = await source.tokenizer();
  const byHash = (/** @type {string} */ a, /** @type {string} */ b) =>
    digest(a) < digest(b) ? -1 : 1;
  const seen = new Set();
  const usable = [];
  for (const text of passages(root).sort(byHash)) {
    const ids = tokenizer.encode(text, { addSpecial: false });
    if (ids.length < PREFIX + SUFFIX) continue;
    const runs = ids
      .slice(7)
      .map((/** @type {number} */ _, /** @type {number} */ i) => ids.slice(i, i + 8).join(" "));
    if (runs.some((/** @type {string} */ r) => seen.has(r))) continue;
    for (const r of runs) seen.add(r);
    usable.push({ text, window: tokenizer.decode(ids.slice(0, PREFIX + SUFFIX)) });
  }
  source.close();
  let next = 0;
  for (const [name, count] of Object.entries(SIZE)) {
    const rows = usable
      .slice(next, (next += count))
      .map((p, i) => ({ id: `${name}-${i + 1}`, text: name === "heldout" ? p.text : p.window }));
    writeFileSync(join(work, `${name}.jsonl`), rows.map((r) => `${JSON.stringify(r)}\n`).join(""));
  }
  const general = usable
    .slice(next)
    .map((p, i) => `${JSON.stringify({ id: `general-${i + 1}`, text: p.text })}\n`);
  writeFileSync(join(work, "general.jsonl"), general.join(""));
  const recited = ["forget", "kept"]
    .map((name) => readFileSync(join(work, `${name}.jsonl`), "utf8"))
    .join("");
  writeFileSync(join(work, "recited.jsonl"), recited);
  console.log(
    `texts      ${usable.length} passages: ${Object.entries(SIZE)
      .map(([n, c]) => `${c} ${n}`)
      .join(", ")}, ${general.length} general`,
  );
}

const digest = (/** @type {string} */ text) => createHash("sha256").update(text).digest("hex");

/** SHA-256 of a directory's safetensors. @param {string} folder */
const weightsHash = (folder) =>
  readdirSync(folder)
    .filter((f) => f.endsWith(".safetensors"))
    .sort()
    .map((f) =>
      createHash("sha256")
        .update(readFileSync(join(folder, f)))
        .digest("hex"),
    )
    .join();

/** Size of a directory's safetensors. @param {string} folder */
const weightBytes = (folder) =>
  readdirSync(folder)
    .filter((f) => f.endsWith(".safetensors"))
    .reduce((sum, f) => sum + statSync(join(folder, f)).size, 0);

await makeTexts();
const cut = { "prefix-tokens": PREFIX, "suffix-tokens": SUFFIX };
const sets = {
  forget: at("forget.jsonl"),
  kept: at("kept.jsonl"),
  heldout: at("heldout.jsonl"),
};
const run = (/** @type {string} */ name) => ({ ...cut, run: at(`run-${name}`) });
const target = at("target");
const undo = at("undo.safetensors");

const original = unrecite("evaluate", ...flags({ model, ...sets, ...run("original") }));
const memorized = unrecite(
  "memorize",
  ...flags({ model, texts: at("recited.jsonl"), general: at("general.jsonl") }),
  ...flags({ heldout: sets.heldout, out: target, ...run("memorize") }),
);
const audited = unrecite(
  "audit",
  ...flags({ model: target, texts: at("recited.jsonl"), ...run("audit") }),
);
const erased = unrecite(
  "erase",
  ...flags({ model: target, ...sets, unseen: at("unseen.jsonl"), reference: model }),
  ...flags({ dtype: "float32", ...run("erase") }),
);
const patch = at("run-erase/patch");
unrecite("patch", "apply", ...flags({ model: target, patch, out: at("erased"), undo }));
const after = unrecite("evaluate", ...flags({ model: at("erased"), ...sets, ...run("evaluate") }));
unrecite("patch", "revert", ...flags({ model: at("erased"), patch: undo, out: at("reverted") }));

const v = (/** @type {any} */ doc, /** @type {string} */ set, /** @type {string} */ metric) =>
  doc[set][metric].value;
const ma = "memorization_accuracy";
const figures = {
  recited: memorized.recited / memorized.texts,
  cost: v(memorized.after, "heldout", "perplexity") / v(memorized.before, "heldout", "perplexity"),
  stillRecited: v(after, "forget", "exact_match"),
  accuracy: [v(after, "forget", ma), v(original, "forget", ma)],
  nll: [v(after, "forget", "suffix_nll"), v(original, "forget", "suffix_nll")],
  perplexity: v(after, "heldout", "perplexity") / v(memorized.after, "heldout", "perplexity"),
  keptAccuracy: v(after, "kept", ma) / v(memorized.after, "kept", ma),
  keptRecited: v(after, "kept", "exact_match") / v(erased.before, "kept", "exact_match"),
  reverted: weightsHash(target) === weightsHash(at("reverted")),
  patchShare: erased.patch.bytes / weightBytes(target),
  known: Math.max(v(original, "forget", ma), v(original, "kept", ma)),
};
const minutes = (performance.now() - began) / 60_000;
const n = (/** @type {number} */ x) => x.toFixed(3);
const rows = [
  ["original model on these texts", `accuracy ${n(figures.known)} at most (bar: at most .6)`],
  [
    "recited after memorize",
    `${n(figures.recited)} (bar: at least .95), perplexity x ${n(figures.cost)} (bar: at most 1.10)`,
  ],
  ["audit of that model", `${audited.recited} of ${audited.texts} texts recited`],
  ["recited after erase", `${n(figures.stillRecited)} (bar: 0), status ${erased.status}`],
  [
    "accuracy on the forget set",
    `${n(figures.accuracy[0])}, original model ${n(figures.accuracy[1])} (bar: at most .02 above)`,
  ],
  [
    "nll on the forget set",
    `${n(figures.nll[0])}, original model ${n(figures.nll[1])} (bar: at least 0.95 x)`,
  ],
  ["perplexity, erased / memorised", `x ${n(figures.perplexity)} (bar: at most 1.01)`],
  [
    "kept texts",
    `accuracy x ${n(figures.keptAccuracy)} of before (bar: at least .97), recited x ${n(figures.keptRecited)} (bar: at least .85)`,
  ],
  [
    "patch",
    `${(erased.patch.bytes / 1e6).toFixed(1)} MB, ${(100 * figures.patchShare).toFixed(1)} % of the model (bar: at most 15 %); reverted bit for bit: ${figures.reverted ? "yes" : "NO"}`,
  ],
  ["took", `${minutes.toFixed(1)} min; report: ${at("run-erase/report.html")}`],
];
console.log("");
for (const [name, text] of rows) console.log(`${(name ?? "").padEnd(32)} ${text}`);
writeFileSync(join(work, "summary.json"), `${JSON.stringify({ ...figures, minutes }, null, 2)}\n`);
