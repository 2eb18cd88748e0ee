/** @file What erase refuses before the work: flags that would change nothing, flags that need others beside them. */
import { flagName } from "../base/flags.ts";
import { inputError } from "../base/errors.ts";
import { parseConstraint } from "../unlearn/constraint.ts";
import { LOSSES } from "../unlearn/losses/index.ts";
import { methodNamed, retainTerm, type MethodSettings } from "../unlearn/methods/index.ts";
import { selectorNamed } from "../unlearn/select/index.ts";
import type { EraseValues } from "./erase-types.ts";

/** Flags that not every method reads, and which do. */
const READ_BY = {
  beta: (s) => s.companion === "dpo" || readsOption(s, "beta"),
  gamma: (s) => readsOption(s, "gamma"),
  smoothing: (s) => readsOption(s, "smoothing"),
  threshold: (_, own) => own.threshold !== null,
  layer: (s) => s.loss === "rmu",
  coefficient: (s) => s.loss === "rmu",
  constraint: (s, own) => s.constraint !== "none" || own.constraint !== "none",
  dualRate: (s) => s.constraint !== "none",
  tunePasses: (s) => fineTunes(s),
  tuneLr: (s) => fineTunes(s),
  passes: (s) => s.dial === "none",
  batch: (s) => s.dial === "none" || fineTunes(s),
  optimiser: (s) => s.dial === "none",
  positions: (s) => s.dial !== "dp_decoding",
  promptTokens: (s) => s.writes === "prompt",
  select: (s) => writesWeights(s),
  fraction: (s) => writesWeights(s) || s.writes === "mask",
  per: (s) => writesWeights(s),
  scope: (s) => writesWeights(s) || s.writes === "mask",
  frozen: (s) => (writesWeights(s) || s.writes === "mask") && s.loss !== "rmu", // --layer says it
  rank: (s) => writesWeights(s),
  groups: (s) => writesWeights(s),
  samples: (s) => writesWeights(s),
  rounding: (s) => s.writes === "weights" && s.dial === "none",
  relearning: (s) => s.writes === "weights" && s.dial === "none",
  project: (s) => writesWeights(s),
  precondition: (s) => s.writes === "weights" && s.dial === "none",
} as const satisfies Record<string, (s: MethodSettings, own: MethodSettings) => boolean>;

/** Those of them that most methods read: not named as a method's own. */
const USUAL: readonly string[] = [
  ...["passes", "batch", "optimiser"],
  ...["select", "fraction", "per", "scope", "frozen", "rank", "groups", "samples", "project"],
  ...["rounding", "relearning", "precondition"],
  ...["positions", "constraint"],
];

const fineTunes = (s: MethodSettings): boolean =>
  s.dial === "task_arithmetic" || s.dial === "contrastive_decoding";

/** To those it is asked to merge, or to those of the model that a rule compares with. */
const writesWeights = (s: MethodSettings): boolean =>
  s.writes === "weights" || s.dial === "contrastive_decoding";

const readsOption = (s: MethodSettings, key: "beta" | "gamma" | "smoothing"): boolean =>
  s.companion !== "dpo" && (LOSSES[s.loss].options as readonly string[]).includes(key);

/** Throws for the first flag of `given` (keys) that this method does not read, or that lacks what it needs. */
export function refuseUnused(
  values: EraseValues,
  settings: MethodSettings,
  given: readonly string[],
): void {
  refuseOptions(values, settings, given);
  refuseText(values, settings, given);
  refuseOut(values, settings);
  refuseSelection(settings, given);
}

function refuseOptions(
  { method }: EraseValues,
  settings: MethodSettings,
  given: readonly string[],
): void {
  const { settings: own } = methodNamed(method);
  const rows = Object.entries(READ_BY);
  const odd = rows.find(([key, reads]) => given.includes(key) && !reads(settings, own))?.[0];
  if (odd !== undefined) {
    const has = rows.filter(([key, reads]) => !USUAL.includes(key) && reads(settings, own));
    const known = has.map(([key]) => flagName(key)).join(", ") || "none of its own";
    throw inputError(
      `${flagName(odd)}: expected an option of ${method} (${known}), got one that it does not have`,
      { wayOut: `leave out ${flagName(odd)}, or take a method that has it: unrecite ls methods` },
    );
  }
  if (
    settings.beta === 0 &&
    (settings.loss === "npo" || settings.loss === "simnpo" || settings.companion === "dpo")
  ) {
    throw inputError(`--beta: expected more than 0 with ${method}, got 0`, {
      wayOut: "its limit at 0 is --method ga",
    });
  }
}

function refuseText(
  { method, alternative, retain }: EraseValues,
  settings: MethodSettings,
  given: readonly string[],
): void {
  if ((settings.companion === "dpo") !== (alternative !== undefined)) {
    throw settings.companion === "dpo"
      ? inputError(`--method ${method}: expected --alternative FILE, got none`, {
          wayOut: "with a text for the id of each text to forget, to be said instead",
        })
      : inputError(`--alternative: expected --method dpo, got --method ${method}`, {
          wayOut: "leave out --alternative, or take --method dpo",
        });
  }
  const retained = retainTerm(settings);
  if (retained === "refused" && retain !== undefined) {
    throw inputError(`--retain: expected a method that takes retain text, got --method ${method}`, {
      wayOut:
        settings.companion === "dpo"
          ? "leave out --retain: dpo says the alternative texts instead"
          : "leave out --retain, or take another method: unrecite ls methods",
    });
  }
  if (retained === "needed" && retain === undefined) {
    throw inputError(`--method ${method}: expected --retain FILE or --retain self, got none`, {
      wayOut: "with self, the model's own samples serve as retain text",
    });
  }
  refuseConstraint(method, settings, given);
  if (given.includes("alpha") && settings.dial !== "none") {
    throw inputError(`--alpha: expected a method with a retain term, got --method ${method}`, {
      wayOut: "leave out --alpha: --lr is the notch of what is turned up",
    });
  }
  if (given.includes("alpha") && retain === undefined) {
    throw inputError("--alpha: expected --retain beside it, got none", {
      wayOut: "add --retain FILE or --retain self, or leave out --alpha",
    });
  }
}

/** A constraint takes the place of a retain term, and needs steps to be heard in. */
function refuseConstraint(
  method: string,
  settings: MethodSettings,
  given: readonly string[],
): void {
  if (parseConstraint(settings.constraint) === undefined) return;
  if (settings.dial !== "none") {
    throw inputError(`--constraint: expected a method that trains, got --method ${method}`, {
      wayOut: "leave out --constraint: --utility-budget bounds what is turned up",
    });
  }
  if (settings.companion !== "none") {
    throw inputError(
      `--constraint: expected a method without text of its own in every step, got --method ${method}`,
      { wayOut: "leave out --constraint, or take the method's loss alone: unrecite ls methods" },
    );
  }
  if (given.includes("alpha")) {
    throw inputError("--alpha: expected no --constraint beside it, whose weight is learnt", {
      wayOut: "leave out --alpha, or take --dual-rate",
    });
  }
}

/** Where no weight changes there is no merged model. */
function refuseOut({ method, ...values }: EraseValues, { writes }: MethodSettings): void {
  const out = (["out", "outDtype"] as const).find((key) => values[key] !== undefined);
  if ((writes !== "prompt" && writes !== "decoding") || out === undefined) return;
  throw inputError(
    `${flagName(out)}: expected a method that writes to weights, got --method ${method}, whose patch acts when the model runs`,
    {
      wayOut: `leave out ${flagName(out)}, and give the patch to evaluate or generate with --patch`,
    },
  );
}

function refuseSelection(settings: MethodSettings, given: readonly string[]): void {
  const idle = idleIn(settings).find((key) => given.includes(key));
  if (idle === undefined) return;
  const { name } = selectorNamed(settings.select);
  throw inputError(
    `${flagName(idle)}: expected a --select that reads it, got --select ${name}, which does not`,
    { wayOut: `leave out ${flagName(idle)}, or take another --select: unrecite ls selectors` },
  );
}

/** Settings that the selector does not read. */
function idleIn({ select, writes, project }: MethodSettings): string[] {
  if (writes === "mask") return []; // has no selector
  const { kind, name } = selectorNamed(select);
  return [
    ...(kind === "directions" ? ["fraction", "per"] : ["rank"]),
    ...(name === "directions" ? [] : ["groups"]),
    ...(kind === "directions" || project === "self" ? [] : ["samples"]),
    ...(kind === "directions" ? [] : ["precondition"]),
    ...(name === "dense" ? ["fraction", "per"] : []),
  ];
}

/** The settings that were in force: none that would be refused as a flag. */
export function settingsRead(method: string, settings: MethodSettings): Record<string, unknown> {
  const { settings: own } = methodNamed(method);
  const unread = Object.entries(READ_BY).flatMap(([key, reads]) =>
    reads(settings, own) ? [] : [key],
  );
  const idle = new Set([...unread, ...idleIn(settings)]);
  return Object.fromEntries(Object.entries(settings).filter(([key]) => !idle.has(key)));
}
