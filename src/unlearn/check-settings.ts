/** @file Settings that contradict each other. */
import { inputError } from "../base/errors.ts";
import type { MethodSettings } from "./methods/index.ts";
import { selectorNamed } from "./select/index.ts";

/** Combinations that would silently do something else than they say. */
export function checkSettings({
  select,
  project,
  per,
  scope,
  dial,
  loss,
  optimiser,
  rounding,
  relearning,
  writes,
}: MethodSettings): void {
  const { kind } = selectorNamed(select);
  if (dial === "ssd" && kind === "directions") {
    throw inputError(
      `--select ${select}: expected a selector of weights with ssd, which dampens weights, got directions`,
      { wayOut: "leave out --select, or take another selector: unrecite ls selectors" },
    );
  }
  if (dial === "ssd" && project === "self") {
    throw inputError("--project self: expected a method that takes steps, got ssd", {
      wayOut: "leave out --project",
    });
  }
  if (kind === "directions" && project === "self") {
    throw inputError(
      "--project self: expected a selector of weights, got directions, which are contrasted with the model's own text already",
      {
        wayOut: "leave out --project, or take --select dense",
      },
    );
  }
  if (optimiser === "subzero" && project === "self") {
    throw inputError(
      "--project self: expected an optimiser of gradients, got subzero, which moves in directions of its own",
      { wayOut: "leave out --project or --optimiser" },
    );
  }
  if (optimiser === "subzero" && (rounding !== "none" || relearning > 0)) {
    throw inputError(
      "--optimiser subzero: expected adamw, sgd or momentum where steps are also taken in a twin of the weights, which need a gradient",
      { wayOut: "add --rounding none --relearning 0, or leave out --optimiser" },
    );
  }
  if (optimiser === "subzero" && writes === "mask") {
    throw inputError(
      "--optimiser subzero: expected adamw, sgd or momentum where scores say which weights are dropped: the loss does not change with them until one drops",
      { wayOut: "leave out --optimiser" },
    );
  }
  if (loss === "rmu" && scope === "all") {
    throw inputError(
      "--scope all: expected linear layers or no-embeddings with rmu, whose steps run up to one block and see no head",
      { wayOut: "leave out --scope" },
    );
  }
  if (kind === "directions" && (scope === "all" || scope === "no-embeddings")) {
    throw inputError(
      `--scope ${scope}: expected linear, mlp or attention with --select ${select}: only linear layers have directions`,
      { wayOut: "leave out --scope" },
    );
  }
  if (project === "self" && select !== "dense") {
    throw inputError(
      `--project self: expected --select dense, got --select ${select} --per ${per}: a mask over single weights and a projection undo one another`,
      {
        wayOut: "leave out --project or --select",
      },
    );
  }
}
