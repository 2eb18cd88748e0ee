import assert from "node:assert/strict";
import { readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { messageFrom, npyBytes, temporaryFolder } from "../../tests/io-fixtures.ts";
import { readBenchmark } from "./text-tokens.ts";
import { readAllTexts } from "./texts.ts";

const { folder, put } = temporaryFolder();
const record = (row: number, ids: number[]) => ({
  id: String(row),
  row,
  tokens: { ids, vocabulary: "gpt2" },
});

test("token ids of each width are read", async () => {
  const expected = [record(0, [1, 2, 3]), record(1, [4, 5, 50256])];
  const values = [1, 2, 3, 4, 5, 50256];
  const files = [
    npyBytes("<u2", [2, 3], Uint16Array.from(values)),
    npyBytes("<i4", [2, 3], Int32Array.from(values)),
    npyBytes("<i8", [2, 3], BigInt64Array.from(values.map(BigInt))),
  ];
  for (const bytes of files) assert.deepEqual(await readAllTexts(put("a.npy", bytes)), expected);
});

test("a benchmark folder gives prefix and suffix, joined", async () => {
  put("bench/train_prefix.npy", npyBytes("<u2", [2, 2], Uint16Array.of(1, 2, 3, 4)));
  put("bench/train_suffix.npy", npyBytes("<u2", [2, 1], Uint16Array.of(5, 6)));
  put("bench/train_preprefix.npy", npyBytes("<u2", [2, 1], Uint16Array.of(9, 9)));
  const expected = [record(0, [1, 2, 5]), record(1, [3, 4, 6])];
  assert.deepEqual(await readAllTexts(join(folder, "bench")), expected);
  put("bench/val_prefix.npy", npyBytes("<u2", [1, 1], Uint16Array.of(1)));
  assert.match(
    await messageFrom(() => readAllTexts(join(folder, "bench")), folder),
    /^bench: expected one split, got 2 .*\n {2}→ name one: bench\/train or bench\/val$/,
  );
  assert.deepEqual(await readAllTexts(join(folder, "bench/train")), expected);
});

test("both files of a benchmark are closed, at the end and when reading stops early", async () => {
  put("two/train_prefix.npy", npyBytes("<u2", [2, 2], Uint16Array.of(1, 2, 3, 4)));
  put("two/train_suffix.npy", npyBytes("<u2", [2, 1], Uint16Array.of(5, 6)));
  const stem = join(folder, "two/train");
  const open = () =>
    readdirSync("/proc/self/fd").filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`).startsWith(stem);
      } catch {
        return false; // the descriptor of the listing itself
      }
    });
  for await (const { row } of readBenchmark(stem)) assert.equal(open().length, 2, `row ${row}`);
  assert.deepEqual(open(), []);
  for await (const { row } of readBenchmark(stem)) if (row === 0) break;
  assert.deepEqual(open(), []);
});

const good = npyBytes("<u2", [2, 3], new Uint16Array(6));
const bad: [what: string, bytes: Uint8Array, message: RegExp][] = [
  [
    "no .npy",
    Buffer.from("hello hello hello"),
    /: expected a \.npy file \(beginning with \\x93NUMPY\), got something else/,
  ],
  ["empty", Buffer.alloc(0), /: expected a \.npy file of token ids, got an empty file/],
  [
    "floats",
    npyBytes("<f4", [1, 1], new Float32Array(1)),
    /: expected uint16, int32, uint32 or int64 token ids, got dtype <f4/,
  ],
  [
    "Fortran order",
    npyBytes("<i4", [1, 1], new Int32Array(1), { fortran: true }),
    /: expected an array in C order, got Fortran order/,
  ],
  [
    "one dimension",
    npyBytes("<i4", [2], new Int32Array(2)),
    /: expected an array of shape \(texts, tokens\), got shape \(2\)/,
  ],
  ["cut short", good.subarray(0, -2), /: expected 12 bytes of ids for shape \(2, 3\), got 10/],
  [
    "an id outside",
    npyBytes("<i4", [1, 2], Int32Array.of(1, -1)),
    / row 0: expected GPT-2 ids from 0 to 50256, got -1 at token 1/,
  ],
];
for (const [what, bytes, message] of bad) {
  test(`says what is wrong: ${what}`, async () => {
    assert.match(await messageFrom(() => readAllTexts(put("bad.npy", bytes)), folder), message);
  });
}
