import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { join } from "node:path";
import { UnreciteError } from "../base/errors.ts";
import { messageFrom, temporaryFolder } from "../../tests/io-fixtures.ts";
import { duplicateKey } from "./json.ts";
import { readHeader } from "./safetensors.ts";
import { writeSafetensors } from "./safetensors-write.ts";

const { folder, put } = temporaryFolder();

function fileOf(header: unknown, data = 0): Buffer {
  const json = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, Buffer.alloc(data)]);
}

const entry = (begin: number, end: number, shape = [1], dtype = "F32") => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});
const DAMAGED = "\n  → the file is damaged or not a safetensors file: fetch or save it again";
const LONG = Buffer.alloc(8, 0xff);

const bad: [name: string, bytes: Uint8Array, message: string][] = [
  ["empty", Buffer.alloc(0), `expected at least 8 bytes of safetensors, got 0${DAMAGED}`],
  [
    "endless",
    LONG,
    `expected a header of at most 100000000 bytes (the format's limit), got 18446744073709551615${DAMAGED}`,
  ],
  [
    "short",
    fileOf({}).subarray(0, 9),
    `expected a header of 2 bytes, got a file of 9 bytes${DAMAGED}`,
  ],
  ["list", fileOf("[]"), `expected a header object, got an array${DAMAGED}`],
  [
    "twice",
    fileOf('{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"a":1}', 4),
    `expected each name once in the header, got "a" twice${DAMAGED}`,
  ],
  [
    "dtype",
    fileOf({ a: entry(0, 4, [1], "F8_E4M3") }, 4),
    'tensor a: expected a dtype of F32, F64, F16, BF16, I64, I32, I16, I8, U8, BOOL, got "F8_E4M3"\n  → save the model in one of these dtypes',
  ],
  [
    "shape",
    fileOf({ a: entry(0, 4, [-1]) }, 4),
    `tensor a: expected a shape of whole numbers, got [-1]${DAMAGED}`,
  ],
  [
    "offsets",
    fileOf({ a: { dtype: "F32", shape: [1] } }, 4),
    `tensor a: expected two data_offsets, got nothing${DAMAGED}`,
  ],
  [
    "size",
    fileOf({ a: entry(0, 4, [2]) }, 4),
    `tensor a: expected 8 bytes (F32 of shape [2]), got 4 (data_offsets [0, 4])${DAMAGED}`,
  ],
  [
    "overlap",
    fileOf({ a: entry(0, 8, [2]), b: entry(4, 8) }, 8),
    `tensor b: expected data to begin at 8, got 4 (it overlaps the tensor before it)${DAMAGED}`,
  ],
  [
    "hole",
    fileOf({ a: entry(0, 4), b: entry(8, 12) }, 12),
    `tensor b: expected data to begin at 4, got 8 (it leaves a hole before it)${DAMAGED}`,
  ],
  [
    "cut",
    fileOf({ a: entry(0, 4) }, 3),
    "expected 4 bytes of tensors, got 3\n  → the file is cut short: fetch or save it again",
  ],
  ["extra", fileOf({ a: entry(0, 4) }, 5), `expected 4 bytes of tensors, got 5${DAMAGED}`],
  [
    "metadata",
    fileOf({ __metadata__: { a: 1 } }),
    `expected __metadata__ to hold strings only${DAMAGED}`,
  ],
];

for (const [name, bytes, message] of bad) {
  test(`refuses a header that is wrong: ${name}`, async () => {
    const path = put(`${name}.safetensors`, bytes);
    assert.equal(
      await messageFrom(() => readHeader(path), folder),
      `${name}.safetensors: ${message}`,
    );
  });
}

test("truncated and flipped files are read or refused with our error, never otherwise", async () => {
  const whole = fileOf(
    { __metadata__: { format: "pt" }, a: entry(0, 8, [2]), 'b"c': entry(8, 12, [2, 2], "U8") },
    12,
  );
  let state = 1;
  const random = (below: number) => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) % below;
  for (let i = 0; i < 300; i++) {
    const bytes = Buffer.from(i < 100 ? whole.subarray(0, random(whole.length)) : whole);
    if (i >= 100) bytes[random(bytes.length)] = random(256);
    await readHeader(put("fuzz.safetensors", bytes)).catch((error: unknown) => {
      assert.ok(error instanceof UnreciteError && error.exitCode === 2, String(error));
    });
  }
});

test("what is written is read back, aligned, and the same each time", async () => {
  const entries = [
    { name: "1", dtype: "uint8", shape: [3], bytes: () => Uint8Array.of(1, 2, 3) },
    { name: "w", dtype: "float32", shape: [2, 1], bytes: () => new Uint8Array(8) },
    { name: "none", dtype: "float32", shape: [0], bytes: () => new Uint8Array(0) },
  ] as const;
  const first = join(folder, "deep/new/a.safetensors");
  await writeSafetensors(first, entries, { metadata: { z: "1", format: "pt" } });
  await writeSafetensors(join(folder, "b.safetensors"), entries, {
    metadata: { format: "pt", z: "1" },
  });
  assert.deepEqual(readFileSync(first), readFileSync(join(folder, "b.safetensors")));
  const { tensors, metadata, dataBegin } = await readHeader(first);
  assert.deepEqual({ ...metadata }, { format: "pt", z: "1" });
  assert.equal(dataBegin % 8, 0);
  assert.deepEqual(
    [...tensors].map(([name, { begin, end }]) => [name, begin - dataBegin, end - dataBegin]),
    [
      ["w", 0, 8],
      ["none", 8, 8],
      ["1", 8, 11],
    ],
  );
});

test("a write that fails leaves nothing", async () => {
  const path = join(folder, "fails/a.safetensors");
  const entries = [
    { name: "w", dtype: "float32", shape: [2], bytes: () => new Uint8Array(4) },
  ] as const;
  assert.equal(
    await messageFrom(() => writeSafetensors(path, entries), folder),
    "fails/a.safetensors: tensor w: expected 8 bytes, got 4 to write",
  );
  assert.deepEqual(readdirSync(join(folder, "fails")), []);
});

test("finds keys that come twice, at any depth and however they are escaped", () => {
  assert.equal(duplicateKey('{"a":{"b":1},"c":{"b":2},"d":["b","b"]}'), undefined);
  assert.equal(duplicateKey('{"a":[{"b":1,"\\u0062":"}"}]}'), "b");
});

test("looks for keys that come twice behind a string of any length", () => {
  const long = JSON.stringify('x\n"{'.repeat(4e6));
  assert.equal(duplicateKey(`{"a":${long},"b" \n : "}"}`), undefined);
  assert.equal(duplicateKey(`{"a":[{"c:":${long}},"a"],"a" : 1}`), "a");
});
