/** @file Where forgetting aims: the reference model's level, that of unseen texts, the natural level, or given numbers. */
import { inputError } from "../base/errors.ts";
import { tokenStats, type TokenStats } from "../eval/index.ts";
import { loadModel, type Model } from "../models/index.ts";
import {
  givenGoal,
  levelErrors,
  ownGoal,
  standingOf,
  unseenGoal,
  type Goal,
  type Level,
  type Standing,
} from "../unlearn/level.ts";
import type { NaturalOf } from "../unlearn/natural.ts";
import type { TextSet } from "./sets.ts";

type Inputs = {
  target: string | undefined;
  reference: string | undefined;
  unseen: TextSet | undefined;
  forget: TextSet;
  model: Model;
  levelsAt: NaturalOf;
  signal: AbortSignal | undefined;
};

/** The goal that `--target` names, or the first that is available: reference, unseen, natural. */
export async function goalOf(input: Inputs): Promise<Goal> {
  const { target, reference, unseen, forget, model, levelsAt, signal } = input;
  const name =
    target ?? (reference !== undefined ? "reference" : unseen !== undefined ? "unseen" : "natural");
  switch (name) {
    case "reference":
      if (reference === undefined) throw missing("reference", "--reference MODEL");
      return ownGoalOf("reference", await referenceStats(reference, forget, model, signal), forget);
    case "unseen":
      if (unseen === undefined) throw missing("unseen", "--unseen FILE");
      return unseenGoal(await present(model, unseen, signal), forget.windows.length);
    case "natural":
      return ownGoalOf("natural", await naturalStats(forget, levelsAt), forget);
    default:
      return givenGoal(parseLevel(name), forget.windows.length);
  }
}

const ownGoalOf = (
  from: "reference" | "natural",
  stats: TokenStats[],
  { windows }: TextSet,
): Goal => ownGoal(from, standingOf(stats, windows), levelErrors(stats));

const missing = (name: string, flag: string) =>
  inputError(`--target ${name}: expected ${flag}, got none`, {
    wayOut: `add ${flag}, or take another --target`,
  });

function parseLevel(text: string): Level {
  const match = /^ma=([\d.]+),nll=([\d.]+)$/.exec(text);
  const [accuracy, nll] = [Number(match?.[1]), Number(match?.[2])];
  if (match !== null && accuracy >= 0 && accuracy <= 1 && nll >= 0) return { accuracy, nll };
  throw inputError(
    `--target: expected reference, unseen, natural, or ma=0.35,nll=2.8, got "${text}"`,
    { wayOut: "name one of them" },
  );
}

async function referenceStats(
  spec: string,
  forget: TextSet,
  model: Model,
  signal: AbortSignal | undefined,
): Promise<TokenStats[]> {
  const reference = await loadModel(spec);
  try {
    if (
      reference.tokenizer.sha256 !== model.tokenizer.sha256 &&
      reference.tokenizer.vocabSize !== model.tokenizer.vocabSize
    ) {
      throw inputError(`${spec}: expected the tokenizer of ${model.spec}, got another`, {
        wayOut: "give the same model before the texts were put in",
      });
    }
    return await tokenStats(reference.arch, reference.weights, forget.windows, {
      spread: false,
      signal,
    });
  } finally {
    reference.dispose();
  }
}

async function present(
  model: Model,
  set: TextSet,
  signal: AbortSignal | undefined,
): Promise<Standing> {
  const stats = await tokenStats(model.arch, model.weights, set.windows, { spread: false, signal });
  return standingOf(stats, set.windows);
}

async function naturalStats(forget: TextSet, levelsAt: NaturalOf): Promise<TokenStats[]> {
  const levels = await levelsAt(forget.windows.map((w) => w.scored));
  return levels.map((rows) => ({
    correct: Uint8Array.from(rows, (r) => (r.correct ? 1 : 0)),
    logProbability: Float64Array.from(rows, (r) => r.logProbability),
    entropy: new Float64Array(0),
    rank: new Float64Array(0),
  }));
}
