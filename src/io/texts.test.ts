import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { after, test } from "node:test";
import { query } from "./text-rows.ts";
import { readAllTexts, readTexts } from "./texts.ts";

const folder = mkdtempSync(join(tmpdir(), "unrecite-test-"));
after(() => rmSync(folder, { recursive: true }));

function put(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  return path;
}

/** The message of the error that reading `spec` ends in, with the folder cut out of it. */
async function failure(spec: string, options = {}): Promise<string> {
  try {
    await readAllTexts(spec, options);
  } catch (error) {
    return (error as Error).message.replaceAll(`${folder}/`, "");
  }
  throw new Error("expected a failure");
}

test("JSONL keeps ids, rows, spans and groups, and takes line numbers where there is no id", async () => {
  const path = put(
    "a [1].jsonl",
    '{"id":"007","text":"2020-01-01","group":"g"}\n\n{"doc_id":8,"text":"😀 bc","spans":[[2,4]]}\n{"text":"x y"}\n',
  );
  assert.deepEqual(await readAllTexts(path), [
    { id: "007", row: 1, text: "2020-01-01", group: "g" },
    { id: "8", row: 2, text: "😀 bc", spans: [{ start: 3, end: 5 }] },
    { id: "3", row: 3, text: "x y" },
  ]);
});

test("a JSON array, single objects and arrays of strings are read", async () => {
  const array = put("a.json", '[{"id":1,"text":"a"},\n {"id":2,"prefix":"b ","suffix":"c"}]');
  assert.deepEqual(await readAllTexts(array), [
    { id: "1", row: 1, text: "a" },
    { id: "2", row: 2, prefix: "b ", suffix: "c", text: "b c" },
  ]);
  assert.equal((await readAllTexts(put("one.json", '{\n"text":\n"a"}')))[0]?.text, "a");
  assert.deepEqual(
    (await readAllTexts(put("strings.json", '["a","b"]'))).map(({ text }) => text),
    ["a", "b"],
  );
});

test("CSV: quoted line breaks, every column as text, other columns ignored", async () => {
  const path = put("a.csv", 'doc_id,corpus,"body"\n007,x,"multi\nline, ""q"""\n1e3,y,2020-01-01\n');
  assert.deepEqual(await readAllTexts(path, { textField: "body" }), [
    { id: "007", row: 1, text: 'multi\nline, "q"' },
    { id: "1e3", row: 2, text: "2020-01-01" },
  ]);
  const tsv = put("a.tsv", "\uFEFFid\ttext\tspans\r\n1\ta, b\t[[0,1]]\r\n");
  assert.deepEqual(await readAllTexts(tsv), [
    { id: "1", row: 1, text: "a, b", spans: [{ start: 0, end: 1 }] },
  ]);
});

test("Parquet, with whole numbers as ids and structs as spans", async () => {
  const path = join(folder, "a.parquet");
  const rows =
    "SELECT 9007199254740993::BIGINT AS id, 'abc' AS text, [{'start': 0, 'end': 2}] AS spans, 1.5 AS other";
  for await (const row of query(`COPY (${rows}) TO '${path}' (FORMAT parquet)`)) void row;
  assert.deepEqual(await readAllTexts(path), [
    { id: "9007199254740993", row: 1, text: "abc", spans: [{ start: 0, end: 2 }] },
  ]);
});

test("folders and globs of .txt and .md, with paths as ids", async () => {
  put("docs/b.md", "b");
  put("docs/deep/a.txt", "a");
  put("docs/.hidden.txt", "no");
  put("docs/other.pdf", "no");
  const expected = [
    { id: "b.md", row: 1, text: "b" },
    { id: "deep/a.txt", row: 2, text: "a" },
  ];
  assert.deepEqual(await readAllTexts(join(folder, "docs")), expected);
  assert.deepEqual(await readAllTexts(join(folder, "docs/**/*.txt")), [{ ...expected[1], row: 1 }]);
  assert.deepEqual(await readAllTexts(join(folder, "docs/b.md")), [expected[0]]);
});

test("stdin is JSONL, JSON or CSV by its first byte", async () => {
  const from = (content: string, encoding: BufferEncoding = "utf8") =>
    readAllTexts("-", { stdin: Readable.from([Buffer.from(content, encoding)]) });
  const expected = [{ id: "1", row: 1, text: "a" }];
  assert.deepEqual(await from('{"id":"1","text":"a"}\n'), expected);
  assert.deepEqual(await from('[{"id":"1","text":"a"}]'), expected);
  assert.deepEqual(await from("id,text\n1,a\n"), expected);
  for (const nothing of ["", " \n"]) {
    await assert.rejects(from(nothing), /^UnreciteError: stdin: expected texts, got none\n {2}→ /);
  }
  const cut = from("abc\xe2\x82", "latin1");
  await assert.rejects(cut, /^UnreciteError: stdin line 1: expected UTF-8/);
  await assert.rejects(from('[{"text":'), /^UnreciteError: stdin: .* in file "stdin"/);
  await assert.rejects(from('{"id":"1"}\n'), /^UnreciteError: stdin row 1: expected a field text/);
});

const bad: [name: string, content: string | Uint8Array, message: string][] = [
  [
    "empty.jsonl",
    "",
    "empty.jsonl: expected texts, got an empty file\n  → check the path and what wrote the file",
  ],
  [
    "none.json",
    "[]",
    "none.json: expected texts, got none\n  → check the path and what wrote the file",
  ],
  [
    "header.csv",
    "id,text\n",
    "header.csv: expected texts, got none\n  → check the path and what wrote the file",
  ],
  [
    "field.jsonl",
    '{"id":1,"txt":"a"}',
    "field.jsonl row 1: expected a field text, got the fields id, txt\n  → did you mean --text-field txt?",
  ],
  [
    "field.csv",
    "id,content\n1,a\n",
    "field.csv row 1: expected a field text, got the fields id, content\n  → name the field that holds the text with --text-field",
  ],
  [
    "number.jsonl",
    '{"text":"a"}\n{"text":5}',
    "number.jsonl row 2: field text: expected a string, got the number 5\n  → correct the row or remove it",
  ],
  [
    "blank.jsonl",
    '{"text":" \\n"}',
    "blank.jsonl row 1: field text: expected a text, got white space only\n  → correct the row or remove it",
  ],
  [
    "blank.csv",
    "id,text\n1,a\n2,\n",
    "blank.csv row 2: field text: expected a text, got an empty one\n  → correct the row or remove it",
  ],
  [
    "twice.jsonl",
    '{"id":"a","text":"x"}\n{"id":"b","text":"x"}\n{"id":"a","text":"y"}',
    'twice.jsonl row 3: expected an id of its own, got "a", the id of row 1\n  → give each text its own id, or leave the ids out to number the rows',
  ],
  [
    "span.jsonl",
    '{"text":"abc","spans":[[1,9]]}',
    "span.jsonl row 1: field spans: expected ranges within the text's 3 characters, got [1, 9)\n  → correct the row or remove it",
  ],
  [
    "span2.jsonl",
    '{"text":"abc","spans":[{"start":2,"end":1}]}',
    'span2.jsonl row 1: field spans: expected 0 <= start < end, whole numbers, got {"start":2,"end":1}\n  → correct the row or remove it',
  ],
  [
    "pair.jsonl",
    '{"prefix":"a"}',
    "pair.jsonl row 1: field suffix: expected a string (prefix and suffix come together), got nothing\n  → correct the row or remove it",
  ],
  [
    "pair-spans.jsonl",
    '{"prefix":"a b","suffix":"c d","spans":[[0,1]]}',
    "pair-spans.jsonl row 1: field spans: expected none beside prefix and suffix, got an array\n  → remove prefix and suffix (--prefix-tokens cuts the text), or the spans",
  ],
  [
    "pair-text.jsonl",
    '{"prefix":"a ","suffix":"b","text":"a b"}\n{"prefix":"a","suffix":"b","text":"a b"}',
    "pair-text.jsonl row 2: field text: expected prefix and suffix, joined as they are, got another text\n  → remove the field (prefix and suffix are the text), or remove these two",
  ],
  [
    "list.jsonl",
    "[1]\n",
    'list.jsonl row 1: expected an object such as {"id": …, "text": …}, got an array\n  → write one JSON object a row',
  ],
  [
    "big-id.jsonl",
    '{"id":9007199254740993,"text":"a"}',
    "big-id.jsonl row 1: field id: expected a string or a whole number below 2^53, got the number 9007199254740992\n  → correct the row or remove it",
  ],
  [
    "utf8.jsonl",
    Buffer.from('{"text":"a"}\n{"text":"\xe9"}\n', "latin1"),
    "utf8.jsonl line 2: expected UTF-8, got the byte 0xe9 at byte 22 of the file\n  → convert the file to UTF-8 (for example: iconv -f LATIN1 -t UTF-8)",
  ],
  [
    "cut.txt",
    Buffer.from("abc\xe2\x82", "latin1"),
    "cut.txt line 1: expected UTF-8, got the byte 0xe2 at byte 3 of the file\n  → convert the file to UTF-8 (for example: iconv -f LATIN1 -t UTF-8)",
  ],
  [
    "ragged.csv",
    "id,text\n1,a\n2,b,c\n",
    "ragged.csv line 3: expected 2 columns, got 3\n  → correct the file there, or write it again",
  ],
  [
    "open.csv",
    'id,text\n1,"abc\n2,def\n',
    "open.csv line 2: expected a CSV record, got a quote that is not closed\n  → correct the file there, or write it again",
  ],
  [
    "columns.csv",
    "id,text,text\n1,a,b\n",
    'columns.csv row 0: expected each column once in the header, got "text" twice\n  → rename one of the columns',
  ],
  [
    "lone.jsonl",
    '{"text":"a\\ud800"}\n',
    "lone.jsonl row 1: expected one JSON object, got: half of a surrogate pair (\\ud8…)\n  → correct the file there, or write it again",
  ],
  ["blank.md", " \n", "blank.md: expected a text, got white space only\n  → remove the file"],
  [
    "a.docx",
    "x",
    "a.docx: expected one of .jsonl, .ndjson, .json, .csv, .tsv, .parquet, .npy, .txt, .md, a folder of .txt or .md, got .docx\n  → convert it, or give it the extension of what it holds",
  ],
];

for (const [name, content, message] of bad) {
  test(`says what is wrong with ${name}`, async () => {
    assert.equal(
      await failure(put(`bad/${name}`, content)),
      message.replaceAll(name, `bad/${name}`),
    );
  });
}

test("says which line of a JSONL file is broken", async () => {
  const path = put("broken.jsonl", '{"text":"a"}\n{"text":\n{"text":"b"}\n');
  assert.match(await failure(path), /^broken\.jsonl row 2: expected one JSON object, got: /);
});

test("no message about a broken file quotes its texts", async () => {
  const secret = "the private diary";
  const long = `${secret} `.repeat(3).trim();
  for (const [name, content, fault] of [
    ["a.jsonl", `{"text": ${secret}}\n`, /row 1: .* got: malformed JSON\n/],
    ["b.jsonl", `{"text":"${secret}"} ${secret}\n`, /got: more behind its end \(at its character/],
    ["c.jsonl", `{"text":"${secret}\n`, /got: a string that is not closed/],
    [
      "d.json",
      `[{"text":"${secret}"},{"text":NaN,"a":"${secret}"}]`,
      /row 2: .* got malformed JSON/,
    ],
    ["e.json", `[{"text":"${secret}"},\n{"text":${secret}}]`, /expected JSON, got: Malformed JSON/],
    ["f.csv", `${long}\n${long}\n`, /got the fields one of \d+ characters/],
  ] as const) {
    const told = await failure(put(`secret/${name}`, content));
    assert.match(told, fault);
    assert.ok(!told.includes("diary") && !told.includes("private"), told);
  }
});

test("says what is wrong with a file that is no Parquet, and with what is not there", async () => {
  assert.match(
    await failure(put("no.parquet", "nope nope nope")),
    /^no\.parquet: expected PARQUET, got: /,
  );
  assert.match(
    await failure(join(folder, "nothing.jsonl")),
    /^nothing\.jsonl: expected a file or folder of texts, got nothing there\n {2}→ /,
  );
  assert.match(
    await failure(join(folder, "none-*.txt")),
    /^none-\*\.txt: expected a glob of \.txt or \.md files, got no file/,
  );
});

test("memory does not grow with the number of texts", async () => {
  const line = (i: number) => `{"id":"t${i}","text":"${"lorem ipsum ".repeat(20)}"}\n`;
  const path = put("many.jsonl", Array.from({ length: 100_000 }, (_, i) => line(i)).join(""));
  let peak = 0;
  let count = 0;
  globalThis.gc?.();
  const before = process.memoryUsage.rss();
  for await (const record of readTexts(path)) {
    count++;
    if (record.row % 1000 === 0) peak = Math.max(peak, process.memoryUsage.rss() - before);
  }
  assert.equal(count, 100_000);
  // 26 MB of texts; the reader's own buffers and garbage not yet collected are the allowance
  assert.ok(peak < 256e6, `${Math.round(peak / 1e6)} MB more at the peak`);
});
