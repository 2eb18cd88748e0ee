import assert from "node:assert/strict";
import { test } from "node:test";
import type { TokenStats } from "../token-stats.ts";
import type { TASKS } from "./index.ts";
import { formOf, itemOf, pairWindow, taskScores, type TaskItem } from "./index.ts";

test("the first item of each task, as its usual file writes it", () => {
  const rows: Record<keyof typeof TASKS, [row: object, context: string, answers: number]> = {
    arc_challenge: [asked("Question: why?"), "Question: why?\nAnswer:", 2],
    arc_easy: [asked("Question: why?"), "Question: why?\nAnswer:", 2],
    copa: [asked("He slept, because"), "He slept, because", 2],
    hellaswag: [asked("Cooking: she stirs"), "Cooking: she stirs", 2],
    lambada_openai: [{ context: "He lost his", continuation: "hat" }, "He lost his", 1],
    math_qa: [asked("Question: 1 + 1?\nAnswer: "), "Question: 1 + 1?\nAnswer: ", 2],
    openbook_qa: [asked("Birds eat"), "Birds eat", 2],
    piqa: [asked("Question: dress\n"), "Question: dress\nAnswer:", 2],
    pubmed_qa_labeled: [{ context: "So?\nAnswer: ", continuation: "no" }, "So?\nAnswer: ", 3],
    winogrande: [
      { context_options: ["A saw B so A", "A saw B so B"], continuation: "ran.", gold: 1 },
      "A saw B so A",
      2,
    ],
  };
  for (const [name, [row, context, answers]] of Object.entries(rows)) {
    const item = itemOf(row as Record<string, unknown>, formOf(name), "here");
    assert.equal(item.pairs[0]!.context, context, name);
    assert.equal(item.pairs.length, answers, name);
    assert.equal(item.gold, answers === 1 ? undefined : 1, name);
    assert.equal(item.varied, name !== "winogrande", name);
  }
  assert.deepEqual(formOf("something_else"), {});
  assert.deepEqual(formOf("toString"), {});
});

const asked = (query: string) => ({ query, choices: ["one", "two"], gold: 1 });

test("what is no item says what it lacks", () => {
  const refused = (row: object, message: RegExp, form = {}) =>
    assert.throws(() => itemOf(row as Record<string, unknown>, form, "f row 3"), message);
  refused({ text: "a" }, /f row 3: expected query, choices and gold; .* got text/);
  refused({}, /got no field/);
  refused({ ...asked("a"), gold: 2 }, /expected an integer from 0 to 1 in gold, got 2/);
  refused({ ...asked("a"), gold: "B" }, /in gold, got "B"/);
  refused({ ...asked("a"), choices: ["one"] }, /two texts or more in choices, got \["one"\]/);
  refused({ choices: ["a", "b"], gold: 0 }, /text in query, got nothing/);
  refused(
    { context: "a", continuation: "perhaps" },
    /one of yes, no in continuation, got "perhaps"/,
    {
      choices: ["yes", "no"],
    },
  );
});

/** A token a character, but that "to" is one. */
const encode = (text: string): number[] => {
  const ids: number[] = [];
  for (let i = 0; i < text.length; i++) {
    const both = text.startsWith("to", i);
    ids.push(both ? 1000 : text.charCodeAt(i));
    if (both) i++;
  }
  return ids;
};

test("an answer's tokens: behind its context, with the white space between them", () => {
  const given = { encode, bos: undefined, start: 7, longest: 100 };
  const windowOf = (context: string, answer: string, options = {}) => {
    const { ids, scored } = pairWindow(0, { context, answer }, { ...given, ...options });
    return { ids, scored: scored.map((t) => ids[t]!) };
  };
  assert.deepEqual(windowOf("ab", "c"), { ids: encode("ab c"), scored: encode(" c") });
  assert.deepEqual(windowOf("ab\n", "c").scored, encode("\nc")); // moved, none added
  assert.deepEqual(windowOf("ab", " c").scored, encode(" c")); // it brings its own
  assert.deepEqual(windowOf("at", "o", { encode: (t: string) => encode(t.replace(" ", "")) }), {
    ids: encode("ato"), // encoded together, parted by count: as the harness has it
    scored: [1000].slice(1).concat(encode("ato").slice(-1)),
  });
  assert.deepEqual(windowOf("", "c"), { ids: [7, 32, 99], scored: [32, 99] });
  assert.deepEqual(windowOf("ab", "c", { bos: 5 }).ids, [5, ...encode("ab c")]);
  assert.deepEqual(windowOf("abcdef", "gh", { longest: 5 }), {
    ids: encode("ef gh"),
    scored: encode(" gh"),
  });
  assert.deepEqual(windowOf("a", "bcdefg", { longest: 3 }).scored, encode("fg")); // the first token has nothing before it
});

const answered = (sums: number[], right = 0): TokenStats => ({
  logProbability: Float64Array.from(sums),
  correct: Uint8Array.from(sums.map(() => right)),
  entropy: new Float64Array(),
  rank: new Float64Array(),
});

test("the likeliest answer, by itself and by its characters", () => {
  const pairs = (answers: string[]) => answers.map((answer) => ({ context: "c", answer }));
  const items: TaskItem[] = [
    { pairs: pairs(["ab", "abcdef"]), gold: 0, varied: true },
    { pairs: pairs(["ab", "été"]), gold: 1, varied: true },
    { pairs: pairs(["x", "x"]), gold: 1, varied: false },
  ];
  const scores = taskScores(items, [
    answered([-1, -1]), // -2, by character -1
    answered([-3]), // -3, by character -.5: acc says the first, acc_norm the second
    answered([-2]), // -1 by character
    answered([-2.7]), // -.9 by character: three characters in five bytes
    answered([-2]),
    answered([-2]), // the same: the first counts, and it is wrong
  ]);
  const third = Math.sqrt(1 / 3) / Math.sqrt(3); // sample deviation of 0, 1, 0 over √3
  assert.deepEqual([scores["acc"]!.n, scores["acc_norm"]!.n], [3, 2]);
  assert.deepEqual([scores["acc"]!.value, scores["acc_norm"]!.value], [1 / 3, 1 / 2]);
  assert.ok(Math.abs(scores["acc"]!.stderr! - third) < 1e-12);
  assert.ok(Math.abs(scores["acc_norm"]!.stderr! - 1 / 2) < 1e-12);
});

test("one answer: right where every token comes first; perplexity over items", () => {
  const one: TaskItem = {
    pairs: [{ context: "c", answer: "a" }],
    gold: undefined,
    varied: true,
  };
  const half = { ...answered([-1, -1], 1), correct: Uint8Array.from([1, 0]) };
  const { acc, perplexity } = taskScores([one, one], [answered([-1, -3], 1), half]);
  assert.deepEqual(acc, { value: 0.5, n: 2, stderr: 0.5, better: "higher" });
  assert.ok(Math.abs(perplexity!.value - Math.exp(3)) < 1e-9); // nll 4 and 2
  assert.ok(Math.abs(perplexity!.stderr! - Math.exp(3)) < 1e-9); // times the standard error of their mean, 1
});
