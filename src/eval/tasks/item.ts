/** @file One item of a task: from the fields of a row to the windows that its answers are scored in. */
import { inputError } from "../../base/errors.ts";
import type { Window } from "../windows.ts";

/** What a task's rows leave unsaid. */
export type TaskForm = {
  /** Ends every context that does not end with it. */
  readonly cue?: string;
  /** The answers to choose from where a row gives the right one alone. */
  readonly choices?: readonly string[];
};

/** Answers behind their contexts; without `gold` there is one answer, and it is asked for word for word. */
export type TaskItem = {
  readonly pairs: readonly { readonly context: string; readonly answer: string }[];
  readonly gold: number | undefined;
  /** Whether the answers themselves differ, so that their lengths matter. */
  readonly varied: boolean;
};

type Row = Readonly<Record<string, unknown>>;

const SHAPES =
  "query, choices and gold; context_options, continuation and gold; or context and continuation";

/** The item in a row, in one of three shapes: a question with choices, contexts with one end, a context with its end. */
export function itemOf(row: Row, { cue = "", choices }: TaskForm, where: string): TaskItem {
  const fail = (expected: string, got: string) =>
    inputError(`${where}: expected ${expected}, got ${got}`, {
      wayOut: `a row of a task has ${SHAPES}`,
    });
  const text = (key: string): string => {
    const value = row[key];
    if (typeof value === "string") return value;
    throw fail(`text in ${key}`, describe(value));
  };
  const texts = (key: string): string[] => {
    const value = row[key];
    if (Array.isArray(value) && value.length > 1 && value.every((v) => typeof v === "string")) {
      return value;
    }
    throw fail(`two texts or more in ${key}`, describe(value));
  };
  const goldOf = (count: number): number => {
    const gold = row["gold"];
    if (Number.isInteger(gold) && (gold as number) >= 0 && (gold as number) < count) {
      return gold as number;
    }
    throw fail(`an integer from 0 to ${count - 1} in gold`, describe(gold));
  };
  const cued = (context: string) =>
    cue === "" || context.trimEnd().endsWith(cue.trim()) ? context : context + cue;
  if ("context_options" in row) {
    const answer = text("continuation");
    const pairs = texts("context_options").map((context) => ({ context: cued(context), answer }));
    return { pairs, gold: goldOf(pairs.length), varied: false };
  }
  if ("choices" in row) {
    const context = cued(text("query"));
    const pairs = texts("choices").map((answer) => ({ context, answer }));
    return { pairs, gold: goldOf(pairs.length), varied: true };
  }
  if (!("context" in row)) throw fail(SHAPES, Object.keys(row).join(", ") || "no field");
  const [context, answer] = [cued(text("context")), text("continuation")];
  if (choices === undefined) return { pairs: [{ context, answer }], gold: undefined, varied: true };
  const gold = choices.indexOf(answer.trim());
  if (gold < 0) throw fail(`one of ${choices.join(", ")} in continuation`, describe(answer));
  return { pairs: choices.map((c) => ({ context, answer: c })), gold, varied: true };
}

const describe = (value: unknown): string =>
  value === undefined ? "nothing" : (JSON.stringify(value) ?? typeof value).slice(0, 60);

export type PairOptions = {
  /** Token ids of a text, no special ones around it. */
  readonly encode: (text: string) => readonly number[];
  readonly bos: number | undefined;
  /** What stands before the first token where there is neither context nor BOS. */
  readonly start: number;
  /** Most tokens that the model takes. */
  readonly longest: number;
};

/**
 * The window of an answer behind its context, as lm-evaluation-harness cuts it: one space between them unless there is white space,
 * encoded together and parted behind as many tokens as the context has without its white space; too long a context loses its beginning.
 */
export function pairWindow(
  text: number,
  { context, answer }: TaskItem["pairs"][number],
  { encode, bos, start, longest }: PairOptions,
): Window {
  const head = context.trimEnd();
  const space = context.slice(head.length);
  const joint = space !== "" || /^\s/.test(answer) ? space : " ";
  const whole = encode(head + joint + answer);
  const given = head === "" ? 0 : encode(head).length;
  const lead = bos !== undefined ? [bos] : given === 0 ? [start] : [];
  const ids = [...lead, ...whole].slice(-longest);
  const scored = Math.max(1, Math.min(whole.length - given, ids.length - 1));
  const suffixStart = ids.length - scored;
  return {
    text,
    ids,
    suffixStart,
    scored: Array.from({ length: scored }, (_, i) => suffixStart + i),
  };
}
