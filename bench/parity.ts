/** @file The demo model against transformers: last logits on 64 real texts within 1e-3, token ids of 2,000 strings equal. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { randomIntegers } from "../src/base/random.ts";
import { hiddenStates, loadModel, logitsOf, rowsOf, toBatch } from "../src/models/index.ts";
import { inference, tidy } from "../src/torch/index.ts";
import { peer } from "./peer.ts";
import type { Row } from "./types.ts";

const PIECES = [
  "the",
  " cat",
  "🙂",
  "👩‍👩‍👧",
  "日本語",
  "Ünïcödé",
  "\n",
  "\n\n",
  "\t",
  "  ",
  "     ",
  "if (x) {",
  "};",
  "=>",
  "0",
  "12",
  "2024",
  " 3.14",
  "don't",
  "I'LL",
  "…",
  "—",
  "مرحبا",
  "привет",
  "नमस्ते",
  "<|im_start|>",
  "a",
  "Z",
  "_",
  "#include",
  "\r\n",
  "\u00a0",
  "e\u0301",
];

/** 2,000 strings of one to eight pieces: emoji, code, mixed scripts, runs of whitespace. */
function strings(): string[] {
  return Array.from({ length: 2000 }, (_, i) =>
    randomIntegers(`parity ${i}`, PIECES.length, 1 + (i % 8))
      .map((k) => PIECES[k]!)
      .join(""),
  );
}

export async function parity(directory: string): Promise<Row[]> {
  const { passages } = await import("../scripts/passages.mjs");
  const texts = passages(fileURLToPath(new URL("..", import.meta.url))).slice(0, 64);
  const folder = mkdtempSync(join(tmpdir(), "unrecite-parity-"));
  const given = { texts, strings: strings() };
  writeFileSync(join(folder, "given.json"), JSON.stringify(given));
  const theirs = peer<{ ids: number[][]; logits: number[][] }>(
    directory,
    "parity",
    join(folder, "given.json"),
  );
  rmSync(folder, { recursive: true });
  const model = await loadModel(directory);
  let worst = 0;
  texts.forEach((text, i) => {
    const ids = model.tokenizer.encode(text, { addSpecial: false }).slice(0, 128);
    const logits = inference(() =>
      tidy(() =>
        logitsOf(
          model.arch,
          model.weights,
          rowsOf(hiddenStates(model.arch, model.weights, toBatch([ids])), [ids.length - 1]),
        ).toFloats(),
      ),
    );
    logits.forEach((v, k) => (worst = Math.max(worst, Math.abs(v - theirs.logits[i]![k]!))));
  });
  const unequal = given.strings.filter(
    (s, i) => model.tokenizer.encode(s, { addSpecial: false }).join() !== theirs.ids[i]!.join(),
  );
  model.dispose();
  if (unequal.length > 0) {
    console.error(`parity: first string with other ids: ${JSON.stringify(unequal[0])}`);
  }
  return [
    {
      name: "parity logits",
      value: worst,
      unit: "max |difference|",
      peer: { name: "transformers", value: 0 },
      ratio: null,
      bound: 1e-3,
      bar: "value <= 1e-3",
      pass: worst <= 1e-3,
    },
    {
      name: "parity tokens",
      value: unequal.length,
      unit: "of 2000 strings differ",
      peer: { name: "transformers", value: 0 },
      ratio: null,
      bound: 0,
      bar: "value = 0",
      pass: unequal.length === 0,
    },
  ];
}
