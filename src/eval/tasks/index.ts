/** @file Tasks with known answers, by name. Adding one: a row here, and its first item in tasks.test.ts. Others are read as they are. */
import type { TaskForm } from "./item.ts";

export type Task = TaskForm & {
  readonly name: string;
  readonly summary: string;
  readonly origin: "paper";
};

const task = (name: string, summary: string, form: TaskForm = {}): Task => ({
  name,
  summary,
  origin: "paper",
  ...form,
});

const ANSWER = "Answer:";

/** What the usual files of these tasks leave to the prompt. */
export const TASKS = {
  arc_challenge: task("arc_challenge", "school science, the harder questions", {
    cue: `\n${ANSWER}`,
  }),
  arc_easy: task("arc_easy", "school science, the easier questions", { cue: `\n${ANSWER}` }),
  copa: task("copa", "cause or effect of a sentence, one of two"),
  hellaswag: task("hellaswag", "how a description goes on, one of four"),
  lambada_openai: task("lambada_openai", "the last word of a passage that its whole context gives"),
  math_qa: task("math_qa", "word problems, by the letter of the answer"),
  openbook_qa: task("openbook_qa", "elementary science with common knowledge, one of four"),
  piqa: task("piqa", "everyday physics, one of two", { cue: ANSWER }),
  pubmed_qa_labeled: task("pubmed_qa_labeled", "yes, no or maybe, from a medical abstract", {
    choices: ["yes", "no", "maybe"],
  }),
  winogrande: task("winogrande", "whom a sentence speaks of: how likely is its end after each"),
} satisfies Record<string, Task>;

/** The form of a task; one that is not in the table is read as it stands. */
export const formOf = (name: string): TaskForm =>
  Object.hasOwn(TASKS, name) ? TASKS[name as keyof typeof TASKS] : {};

export * from "./item.ts";
export * from "./score.ts";
