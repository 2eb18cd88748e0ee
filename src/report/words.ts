/** @file What the metrics and the sets mean, in words for readers who do not measure models for a living. */
import type { EraseResult } from "../eval/results.ts";
import { METRICS } from "../eval/metrics/index.ts";
import { figure, percent } from "./numbers.ts";

/** Whether a patch leaves the weights as they are: it acts only where the model is served with it. */
export const actsWhenRun = (patch: EraseResult["patch"]): boolean =>
  patch !== null && patch.kind !== "factors" && patch.kind !== "sparse";

type Word = { readonly label: string; readonly meaning: string; readonly share?: true };

const WORDS: Readonly<Record<string, Word>> = {
  exact_match: {
    label: "Recited word for word",
    meaning: "share of texts that the model completes to the last token, given their beginning",
    share: true,
  },
  memorization_accuracy: {
    label: "Tokens predicted",
    meaning: "share of a text's tokens that the model would get right",
    share: true,
  },
  max_memorization_accuracy: {
    label: "Tokens predicted, worst text",
    meaning: "the same for the text it knows best: a mean can hide one recited text",
    share: true,
  },
  extraction_strength: {
    label: "Extraction strength",
    meaning: "share of a text that follows without a slip to its end",
    share: true,
  },
  longest_verbatim_run: {
    label: "Longest verbatim run",
    meaning: "tokens in a row that the model gets right",
  },
  suffix_nll: {
    label: "Surprise (nll)",
    meaning: "nats per token; what someone meets who samples instead of taking the likeliest token",
  },
  token_probability: {
    label: "Probability of the true token",
    meaning: "mean over the tokens of a text",
    share: true,
  },
  entropy: {
    label: "Entropy",
    meaning: "how undecided the model is, nats; natural, not maximal, is the aim",
  },
  rank: { label: "Rank", meaning: "how many tokens the model holds likelier than the true one" },
  perplexity: {
    label: "Perplexity",
    meaning: "how many tokens the model wavers between; on general text, the cost of the change",
  },
  acc: {
    label: "Answered right",
    meaning: "share of the items whose right answer the model holds likeliest",
    share: true,
  },
  acc_norm: {
    label: "Answered right, by length",
    meaning: "the same with each answer's likelihood taken per character",
    share: true,
  },
};

export const metricLabel = (name: string): string => WORDS[name]?.label ?? name;

export const metricMeaning = (name: string): string =>
  WORDS[name]?.meaning ??
  (Object.hasOwn(METRICS, name) ? METRICS[name as keyof typeof METRICS].summary : "");

/** A metric's value in its unit: shares as per cent, the rest as figures. */
export const metricValue = (name: string, x: number | null | undefined, digits = 4): string =>
  WORDS[name]?.share === true ? percent(x) : figure(x, digits);

export const SETS = ["forget", "kept", "unseen", "heldout"] as const;
export type SetKey = (typeof SETS)[number];

export const SET_LABEL: Readonly<Record<SetKey, string>> = {
  forget: "to forget",
  kept: "to keep",
  unseen: "never seen",
  heldout: "general text",
};

export const SET_MEANING: Readonly<Record<SetKey, string>> = {
  forget: "the texts that were to be erased",
  kept: "texts the model also recites and should go on reciting",
  unseen: "texts of the same kind that the model never saw: what not knowing looks like",
  heldout: "general text, for the cost to everything else; never trained on",
};

export const TARGET_MEANING: Readonly<Record<string, string>> = {
  reference: "what the model knew of these texts before they were put in",
  unseen: "what the model knows of comparable texts that it never saw",
  natural:
    "what the model believes about these texts when it sees too little of them to recognise them",
  given: "the level that was given on the command line",
};

const OWN_LEVEL =
  "Each text is held to its own level give or take two standard errors (the bars of the texts hold it already); their mean must be reached without allowance.";

/** How a text is held to the target, and how their mean is: one text's level is a mean over few tokens. */
export const TARGET_RULE: Readonly<Record<string, string>> = {
  reference: OWN_LEVEL,
  natural: OWN_LEVEL,
  unseen:
    "Each text is held to what nine in ten of the unseen texts keep to; their mean must reach the mean of the unseen texts, named here.",
  given: "Every text is held to this level, and so is their mean.",
};
