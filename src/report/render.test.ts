import assert from "node:assert/strict";
import { test } from "node:test";
import type { EraseResult } from "../eval/results.ts";
import {
  EVENTS,
  eraseResult,
  erasedRun,
  HOSTILE,
  manifest,
  SECRET,
} from "../../tests/report-fixture.ts";
import { renderReport } from "./render.ts";
import { VERDICTS } from "./sections/verdict.ts";

const VOID = new Set(["meta", "br", "!doctype"]);

/** Throws unless every tag is closed in order, and no block stands in a paragraph. */
function assertNested(page: string): void {
  const open: string[] = [];
  const body = page.replace(/<style>[\s\S]*?<\/style>/, "");
  for (const [tag, closing, name] of body.matchAll(/<(\/?)([!a-zA-Z][\w]*)[^>]*?>/g)) {
    if (VOID.has(name!.toLowerCase()) || tag.endsWith("/>")) continue;
    if (closing === "/") {
      assert.equal(open.pop(), name, `closing ${name} near ${tag}`);
    } else {
      const block = ["p", "div", "table", "ul", "dl", "pre", "h2", "h3"].includes(name!);
      assert.ok(!(block && open.includes("p")), `${name} stands in a p`);
      open.push(name!);
    }
  }
  assert.deepEqual(open, []);
}

const idsOf = (page: string): string[] => [...page.matchAll(/ id="([^"]*)"/g)].map((m) => m[1]!);

test("an erasure: every section, the numbers of the verdict, charts, valid nesting", () => {
  const page = renderReport(erasedRun());
  assertNested(page);
  for (const id of ["compared", "course", "texts", "change", "limits", "settings", "record"]) {
    assert.ok(page.includes(`<section id="${id}">`), id);
    assert.ok(page.includes(`href="#${id}"`), id);
  }
  assert.match(page, /98\.2\u00a0%[\s\S]*?31\.2\u00a0%/); // lost
  assert.match(page, /99\.6\u00a0%[\s\S]*?99\.1\u00a0%/); // kept
  assert.match(page, /perplexity\s+on\s+general\s+text\s+×\s+1\.013/);
  assert.equal(page.match(/role="img"/g)?.length, 9);
  assert.doesNotMatch(page, /aria-label=""/);
  assert.equal(new Set(idsOf(page)).size, idsOf(page).length);
});

for (const status of Object.keys(VERDICTS) as EraseResult["status"][]) {
  test(`the verdict says what ${status} means`, () => {
    const nothing = status === "refused" || status === "nothing_to_erase";
    const page = renderReport(erasedRun({ status, ...(nothing && { patch: null }) }));
    assertNested(page);
    assert.ok(page.includes(`>${VERDICTS[status].title}<`));
    assert.ok(page.replace(/\s+/g, " ").includes(VERDICTS[status].meaning));
    assert.equal(page.includes("nothing to undo"), nothing);
  });
}

test("each text stands beside its own limit, in tokens and in surprise", () => {
  assert.match(renderReport(erasedRun()), /<td class="n">[\d.]+ of 3\.3<\/td>/);
});

test("ids are escaped, in tables and in charts", () => {
  const page = renderReport(erasedRun());
  assert.ok(!page.includes(HOSTILE));
  assert.doesNotMatch(page, /<script/i);
  assert.match(page, /&#60;script&#62;alert/);
});

test("what a path or a setting holds stays text", () => {
  const run = erasedRun({
    method: HOSTILE,
    out: "it's here; rm",
    previous: [{ run: HOSTILE, texts: 3, recited: 1 }],
  });
  run.manifest.settings["model"] = { value: HOSTILE, from: "flag" };
  run.manifest.dtypeReason = HOSTILE;
  const page = renderReport(run);
  assertNested(page);
  assert.doesNotMatch(page, /<script/i);
  assert.match(page, /An earlier erasure came undone/);
});

test("no text of any set is in it unless asked for", () => {
  assert.ok(!renderReport(erasedRun()).includes(SECRET));
  const page = renderReport({ ...erasedRun(), includeText: true });
  assert.ok(page.includes(SECRET));
  assertNested(page);
});

test("nothing is loaded and nothing runs", () => {
  const page = renderReport(erasedRun());
  assert.doesNotMatch(page, /<(?:link|img|iframe|object)|@import|url\((?!#)| on\w+="/);
  assert.match(page, /default-src &#39;none&#39;/);
});

test("the same run gives the same file", () => {
  assert.equal(renderReport(erasedRun()), renderReport(erasedRun()));
});

test("undo: revert for a sparse patch, the base model and an undo file for factors", () => {
  const factors = renderReport(erasedRun());
  assert.match(factors, /patch apply --model \S+ --patch \S+ --out MERGED --undo UNDO/);
  const patch = { ...eraseResult().patch!, kind: "sparse" as const, path: "a b.safetensors" };
  const sparse = renderReport(erasedRun({ patch, out: "merged" }));
  assert.match(sparse, /patch revert --model merged --patch &#39;a b\.safetensors&#39; --out DIR/);
  assert.match(sparse, /patch strip/);
  for (const page of [factors, sparse]) assert.match(page, /as\s+confidential as the texts/);
});

test("the verdict says how many texts to keep are still recited, not only their tokens", () => {
  // .97 and .94 of 16 texts
  assert.match(
    renderReport(erasedRun()),
    /Of the texts to keep it recites 15; before it recited 16 of 16\./,
  );
});

test("a method's setting is named, not spelt as a flag; a hash of texts is said to be salted", () => {
  const page = renderReport(erasedRun());
  assert.match(page, /<code>rank<\/code>[\s\S]*method/);
  assert.match(page, /<code>--utility-budget<\/code>/);
  assert.match(page, /SHA-256, texts:forget \(salted\)/);
  assert.doesNotMatch(page, /SHA-256, model \(salted\)/);
});

test("a step or an epoch taken again after a crash counts once", () => {
  const again = renderReport({ ...erasedRun(), events: [...EVENTS, ...EVENTS] });
  assert.match(again, /12\s+epochs,\s+48\s+steps/);
});

test("runs without a result say how they stand", () => {
  for (const [status, title] of [
    ["running", "Still running"],
    ["interrupted", "Interrupted"],
    ["failed", "Failed"],
  ] as const) {
    const page = renderReport({ manifest: manifest(null, { status }), texts: [], events: EVENTS });
    assertNested(page);
    assert.match(page, new RegExp(`>${title}<`));
    assert.equal(page.includes("--resume DIR"), status === "interrupted");
  }
});

test("audit, evaluate and memorize have their own verdicts", () => {
  const { before, after } = eraseResult();
  const pages = {
    audit: {
      schema: "unrecite/audit/v1",
      model: "m",
      texts: 4,
      skipped: 1,
      skipped_ids: { texts: ["short-1"] },
      recited: 1,
      metrics: before.forget,
      ranked: [
        { id: HOSTILE, windows: 1, exact_match: 1, memorization_accuracy: 1, content: SECRET },
        { id: "b", windows: 1, exact_match: 0, memorization_accuracy: 0.4 },
      ],
    },
    evaluate: {
      ...before,
      skipped_ids: { kept: ["short-1", "short-2"] },
      utility: { lambada: before.heldout },
    },
    memorize: {
      schema: "unrecite/memorize/v1",
      out: "out",
      texts: 4,
      skipped_ids: { general: ["short-1"] },
      recited: 4,
      epochs: 3,
      doses: [
        { repeats: 1, texts: 2, recited: 0, memorization_accuracy: 0.4, suffix_nll: 2.5 },
        { repeats: 8, texts: 2, recited: 2, memorization_accuracy: 1, suffix_nll: 0.125 },
      ],
      before: { schema: "unrecite/evaluate/v1", kept: after.kept },
      after: { schema: "unrecite/evaluate/v1", kept: before.kept },
      seconds: 70,
      peak_rss_bytes: 1e9,
    },
  };
  const titles = { audit: "1 of 4 recited", evaluate: "Measured", memorize: "Memorised" };
  for (const command of ["audit", "evaluate", "memorize"] as const) {
    const data = { manifest: manifest(pages[command], { command }), texts: [], events: [] };
    const page = renderReport(data);
    assertNested(page);
    assert.ok(page.includes(`>${titles[command]}<`), command);
    assert.doesNotMatch(page, /<script|EMSO/i);
    assert.ok(!page.includes(SECRET));
    assert.match(page, /left out \(\w[\w ]*\):\s+<code>short-1</);
    const told = /40.{1,6}% when shown 1 time an epoch, 100.{1,6}% when shown 8 times\./.test(page);
    assert.equal(told, command === "memorize");
  }
});

for (const kind of ["prompt", "decoding"] as const) {
  test(`a ${kind} patch: the report says that no weight changed and what that means`, () => {
    const { patch, selection } = eraseResult();
    for (const metric of kind === "prompt" ? [kind] : [kind, "directions"]) {
      const page = renderReport(
        erasedRun({ patch: { ...patch!, kind, changed: 0 }, selection: { ...selection, metric } }),
      );
      assertNested(page);
      const text = page.replace(/<[^>]*>/g, "").replace(/\s+/g, " ");
      assert.match(text, /Only where the patch is served\. The weights are untouched/);
      assert.match(text, /weights untouched: it acts only where the model is served with/);
      assert.match(text, /Whoever holds the base weights still has the texts/);
      assert.match(text, /to no weight/);
      assert.doesNotMatch(text, /patch apply|patch revert|patch strip|To make it final/);
    }
  });
}
