/** @file Settings that contradict each other. */
import { inputError } from "../base/errors.ts";
import type { MethodSettings } from "./methods/index.ts";
import { selectorNamed, type Selector } from "./select/index.ts";

type Chosen = MethodSettings & { readonly kind: Selector["kind"] };

type Contradiction = {
  readonly holds: (s: Chosen) => boolean;
  readonly says: string | ((s: Chosen) => string);
  readonly wayOut: string;
};

const CONTRADICTIONS: readonly Contradiction[] = [
  {
    holds: ({ dial, kind }) => dial === "ssd" && kind === "directions",
    says: ({ select }) =>
      `--select ${select}: expected a selector of weights with ssd, which dampens weights, got directions`,
    wayOut: "leave out --select, or take another selector: unrecite ls selectors",
  },
  {
    holds: ({ dial, project }) => dial === "ssd" && project === "self",
    says: "--project self: expected a method that takes steps, got ssd",
    wayOut: "leave out --project",
  },
  {
    holds: ({ kind, project }) => kind === "directions" && project === "self",
    says: "--project self: expected a selector of weights, got directions, which are contrasted with the model's own text already",
    wayOut: "leave out --project, or take --select dense",
  },
  ...(["precondition", "project"] as const).map((key) => ({
    holds: (s: Chosen) => s.optimiser === "subzero" && s[key] === "self",
    says: `--${key} self: expected an optimiser of gradients, got subzero, which moves in directions of its own`,
    wayOut: `leave out --${key} or --optimiser`,
  })),
  {
    holds: ({ optimiser, rounding, relearning }) =>
      optimiser === "subzero" && (rounding !== "none" || relearning > 0),
    says: "--optimiser subzero: expected adamw, sgd or momentum where steps are also taken in a twin of the weights, which need a gradient",
    wayOut: "add --rounding none --relearning 0, or leave out --optimiser",
  },
  {
    holds: ({ optimiser, writes }) => optimiser === "subzero" && writes === "mask",
    says: "--optimiser subzero: expected adamw, sgd or momentum where scores say which weights are dropped: the loss does not change with them until one drops",
    wayOut: "leave out --optimiser",
  },
  {
    holds: ({ loss, scope }) => loss === "rmu" && scope === "all",
    says: "--scope all: expected linear layers or no-embeddings with rmu, whose steps run up to one block and see no head",
    wayOut: "leave out --scope",
  },
  {
    holds: ({ kind, scope }) =>
      kind === "directions" && (scope === "all" || scope === "no-embeddings"),
    says: ({ scope, select }) =>
      `--scope ${scope}: expected linear, mlp or attention with --select ${select}: only linear layers have directions`,
    wayOut: "leave out --scope",
  },
  {
    holds: ({ project, select }) => project === "self" && select !== "dense",
    says: ({ select, per }) =>
      `--project self: expected --select dense, got --select ${select} --per ${per}: a mask over single weights and a projection undo one another`,
    wayOut: "leave out --project or --select",
  },
];

/** Refuses combinations that would silently do something else than they say: the first that holds. */
export function checkSettings(settings: MethodSettings): void {
  const chosen = { ...settings, kind: selectorNamed(settings.select).kind };
  const found = CONTRADICTIONS.find(({ holds }) => holds(chosen));
  if (found === undefined) return;
  const { says, wayOut } = found;
  throw inputError(typeof says === "string" ? says : says(chosen), { wayOut });
}
