import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { BYTE_CHARACTERS } from "./byte-level.ts";
import {
  messageFrom,
  temporaryFolder,
  tinyTokenizer,
  TINY_MERGES,
  TINY_TOKENS,
} from "../../tests/io-fixtures.ts";
import { gpt2Decoder, hasGpt2Vocabulary } from "./gpt2-vocabulary.ts";
import { alignTokens } from "./token-offsets.ts";
import { loadTokenizer } from "./tokenizer.ts";

const { folder, put } = temporaryFolder();
const byte = (character: string): number =>
  TINY_TOKENS.indexOf(BYTE_CHARACTERS[character.charCodeAt(0)] ?? "");
const id = (token: string): number => TINY_TOKENS.indexOf(token);
const config = { bos_token: "<|end|>", eos_token: { content: "<|end|>" }, tokenizer_class: "X" };

test("encodes, decodes exactly, and knows its special tokens", async () => {
  const json = tinyTokenizer();
  const tokenizer = await loadTokenizer({ json, config });
  assert.deepEqual(tokenizer.encode("hell he<|end|>"), [id("hell"), id("Ġhe"), 0]);
  for (const text of ["  a , b .", "😀 漢字\r\n", "n't <|end|> x", ""]) {
    assert.equal(tokenizer.decode(tokenizer.encode(text)), text);
  }
  assert.equal(tokenizer.decode([id("he"), 0, 9999, id("ll")], { skipSpecial: true }), "hell");
  assert.deepEqual(
    [tokenizer.vocabSize, tokenizer.bosId, tokenizer.eosId, tokenizer.addsBos, tokenizer.isGpt2],
    [TINY_TOKENS.length, 0, 0, false, false],
  );
});

test("BOS comes from the template, or from an explicit add_bos_token", async () => {
  const bos = await loadTokenizer({ json: tinyTokenizer("gpt-2", { bos: true }), config });
  assert.deepEqual(
    [bos.addsBos, bos.encode("he"), bos.encode("he", { addSpecial: false })],
    [true, [0, id("he")], [id("he")]],
  );
  assert.deepEqual(bos.encodeWithOffsets("he"), {
    ids: [0, id("he")],
    offsets: [
      { start: 0, end: 0 },
      { start: 0, end: 2 },
    ],
  });
  const asked = await loadTokenizer({
    json: tinyTokenizer(),
    config: { ...config, add_bos_token: true },
  });
  assert.equal(asked.addsBos, true);
  const refused = await loadTokenizer({
    json: tinyTokenizer("gpt-2", { bos: true }),
    config: { ...config, add_bos_token: false },
  });
  assert.equal(refused.addsBos, false);
});

test("offsets count UTF-16 units, and a part of a character has all of it", async () => {
  const tokenizer = await loadTokenizer({ json: tinyTokenizer(), config });
  const text = "he é😀<|end|>ll";
  const { ids, offsets } = tokenizer.encodeWithOffsets(text);
  assert.equal(ids.length, offsets.length);
  assert.deepEqual(
    offsets.map(({ start, end }) => text.slice(start, end)),
    ["he", " ", "é", "é", "😀", "😀", "😀", "😀", "<|end|>", "ll"],
  );
});

test("offsets survive a prefix space, eaten white space and normalisation", () => {
  const token = (text: string, added = false) => ({ bytes: Buffer.from(text), added });
  assert.deepEqual(alignTokens("a b", [token(" a"), token(" b")]), [
    { start: 0, end: 1 },
    { start: 1, end: 3 },
  ]);
  assert.deepEqual(
    alignTokens("a  <x>  b", [token("a"), token("<x>", true), token("b")])?.map(
      ({ start }) => start,
    ),
    [0, 3, 8],
  );
  assert.deepEqual(
    alignTokens("e\u0301x", [token("é"), token("x")], {
      normalize: (text) => text.normalize("NFC"),
    }),
    [
      { start: 0, end: 2 },
      { start: 2, end: 3 },
    ],
  );
  assert.equal(alignTokens("abc", [token("ab")]), undefined);
});

test("digits of every script are single tokens, U+0085 is a space and U+FEFF is none, as in the reference", async () => {
  const smollm = await loadTokenizer({ json: tinyTokenizer("smollm"), config });
  // " ½": a space of its own, for digits are cut off first
  const space = byte(" ");
  assert.deepEqual(smollm.encode(" ½ 12"), [
    space,
    ...smollm.encode("½"),
    space,
    byte("1"),
    byte("2"),
  ]);
  for (const text of ["\ufeff he", "\u0085 he"]) {
    assert.equal(smollm.decode(smollm.encode(text)), text);
  }
});

test("vocab.json and merges.txt do where there is no tokenizer.json", async () => {
  const vocab = Object.fromEntries(
    TINY_TOKENS.map((token, at) => [token === "<|end|>" ? "<|endoftext|>" : token, at]),
  );
  put("old/vocab.json", JSON.stringify(vocab));
  put("old/merges.txt", `#version: 0.2\n${TINY_MERGES.join("\n")}\n`);
  const tokenizer = await loadTokenizer({ dir: join(folder, "old") });
  assert.deepEqual(tokenizer.encode("hell<|endoftext|>"), [id("hell"), 0]);
  assert.deepEqual([tokenizer.bosId, tokenizer.eosId, tokenizer.addsBos], [0, 0, false]);
});

test("added_tokens.json beside vocab.json is read; special is what the config names", async () => {
  const [user, name] = [TINY_TOKENS.length, TINY_TOKENS.length + 1];
  put("added/vocab.json", JSON.stringify(Object.fromEntries(TINY_TOKENS.map((t, at) => [t, at]))));
  put("added/merges.txt", TINY_MERGES.join("\n"));
  put("added/added_tokens.json", JSON.stringify({ "<|user|>": user, "<name>": name }));
  put(
    "added/tokenizer_config.json",
    JSON.stringify({ additional_special_tokens: [{ content: "<|user|>" }] }),
  );
  const tokenizer = await loadTokenizer({ dir: join(folder, "added") });
  const ids = [user, id("hell"), name];
  assert.deepEqual(tokenizer.encode("<|user|>hell<name>"), ids);
  assert.equal(tokenizer.vocabSize, TINY_TOKENS.length + 2);
  assert.equal(tokenizer.decode(ids), "<|user|>hell<name>");
  assert.equal(tokenizer.decode(ids, { skipSpecial: true }), "hell<name>");
  put("added/added_tokens.json", JSON.stringify({ "<name>": "1" }));
  assert.equal(
    await messageFrom(() => loadTokenizer({ dir: join(folder, "added") }), folder),
    'added/added_tokens.json: token "<name>": expected its id, got "1"\n  → take the file that was saved with the vocabulary',
  );
});

test("says what is wrong with a tokenizer", async () => {
  put("none/config.json", "{}");
  assert.match(
    await messageFrom(() => loadTokenizer({ dir: join(folder, "none") }), folder),
    /^none: expected tokenizer\.json \(or vocab\.json and merges\.txt\), got neither\n {2}→ write it: python -c /,
  );
  put("bad/tokenizer.json", "{");
  assert.match(
    await messageFrom(() => loadTokenizer({ dir: join(folder, "bad") }), folder),
    /^bad\/tokenizer\.json: expected JSON, got: /,
  );
  put("odd/tokenizer.json", '{"model":{}}');
  assert.match(
    await messageFrom(() => loadTokenizer({ dir: join(folder, "odd") }), folder),
    /^odd: expected a tokenizer\.json that we read, got: /,
  );
});

const definition = JSON.parse(tinyTokenizer()) as { model: object; added_tokens: object[] };
const withModel = (model: object): string =>
  JSON.stringify({ ...definition, added_tokens: [], pre_tokenizer: null, model });
const bpe = (change: object): string =>
  JSON.stringify({ ...definition, model: { ...definition.model, ...change } });

for (const [feature, json] of [
  [
    "Unigram with byte_fallback",
    withModel({ type: "Unigram", unk_id: 0, byte_fallback: true, vocab: [["<unk>", 0]] }),
  ],
  [
    "WordLevel without its unk_token in the vocabulary",
    withModel({ type: "WordLevel", unk_token: "<unk>", vocab: { he: 0 } }),
  ],
  ["BPE with a continuing_subword_prefix", bpe({ continuing_subword_prefix: "##" })],
  ["BPE with dropout", bpe({ dropout: 0.1 })],
  [
    "an added token that is a single_word",
    JSON.stringify({
      ...definition,
      added_tokens: definition.added_tokens.map((token) => ({ ...token, single_word: true })),
    }),
  ],
] as const) {
  test(`refuses ${feature}`, async () => {
    assert.equal(
      (await messageFrom(() => loadTokenizer({ json, config }))).split("\n")[0],
      `the rebuilt tokenizer: expected a tokenizer.json of which we do all that it asks for, got ${feature}`,
    );
  });
}

test("what the library does, or what is empty, is not refused", async () => {
  const empty = { continuing_subword_prefix: "", end_of_word_suffix: "", dropout: 0 };
  const tokenizer = await loadTokenizer({ json: bpe(empty), config });
  assert.deepEqual(tokenizer.encode("hell"), [id("hell")]);
  const words = await loadTokenizer({
    json: withModel({ type: "WordLevel", unk_token: "<unk>", vocab: { "<unk>": 0, he: 1 } }),
    config,
  });
  assert.deepEqual([words.encode("he"), words.encode("she")], [[1], [0]]);
  // ids as the reference library gives them
  const suffix = await loadTokenizer({
    json: withModel({
      type: "BPE",
      end_of_word_suffix: "</w>",
      vocab: { l: 0, o: 1, w: 2, "o</w>": 3, "w</w>": 4, lo: 5, "low</w>": 6, "lo</w>": 7 },
      merges: ["l o", "lo w</w>", "l o</w>"],
    }),
    config,
  });
  assert.deepEqual(
    ["low", "lo", "o", "olo"].map((word) => suffix.encode(word)),
    [[6], [7], [3], [1, 7]],
  );
});

test("GPT-2's ids are known again, and decoded for other models", async () => {
  const { encode } = await import("gpt-tokenizer/encoding/r50k_base");
  assert.equal(
    hasGpt2Vocabulary((text) => encode(text)),
    true,
  );
  const decode = await gpt2Decoder();
  assert.equal(decode(encode("Hello, wörld 漢")), "Hello, wörld 漢");
  assert.throws(() => decode([50257]), /expected ids below 50257, got 50257/);
});
