/** @file What the parts of `erase` hand to one another. */
import type { Options, Values } from "../base/flags.ts";
import type { EraseResult, Window } from "../eval/index.ts";
import type { Model, Served } from "../models/index.ts";
import type { PatchInfo } from "../patch/index.ts";
import type { Goal } from "../unlearn/level.ts";
import type { LoopEvent, LoopOutcome } from "../unlearn/loop-types.ts";
import type { MethodSettings } from "../unlearn/methods/index.ts";
import type { OnFacts } from "./facts.ts";
import type { ERASE } from "./flags.ts";
import type { Measured } from "./measure.ts";
import type { Session } from "./session.ts";
import type { TextSet } from "./sets.ts";
import type { TaskSet, Utility } from "./tasks.ts";

export type EraseOptions = Options<typeof ERASE>;
export type EraseValues = Values<typeof ERASE>;

export type EraseHooks = {
  signal?: AbortSignal | undefined;
  onEvent?:
    | ((
        event:
          | LoopEvent
          | { type: "phase"; name: string; done?: number; total?: number }
          | { type: "warning"; message: string },
      ) => void)
    | undefined;
  onFacts?: OnFacts;
  /** Where checkpoints, patch and per-text rows go; without it only `--patch-out` and `--out` are written. */
  files?: RunFiles | undefined;
};

export type Sets = {
  forget: TextSet;
  kept: TextSet | undefined;
  unseen: TextSet | undefined;
  heldout: TextSet | undefined;
  tasks: readonly TaskSet[];
};

export type EraseModels = {
  /** In float32: what every figure is measured with. */
  measured: Model;
  /** What is trained: the same one where that is float32 too. */
  model: Model;
};

export type EraseInputs = {
  sets: Sets;
  settings: MethodSettings;
  /** Of a file: the model's own samples are made later. */
  retain: TextSet | undefined;
  /** For each window of the forget set what should be said instead. */
  alternatives: Window[] | undefined;
  /** Forget sets of earlier runs. */
  earlier: TextSet[];
};

/** One erasure with everything read: what its stages share. */
export type EraseJob = EraseModels &
  EraseInputs & {
    values: EraseValues;
    session: Session;
    hooks: EraseHooks;
    /** `performance.now()` at its beginning. */
    started: number;
  };

export type Evaluated = { [K in Exclude<keyof Sets, "tasks">]: Measured | undefined } & {
  utility: Utility | undefined;
};

export type Written = { sets: Evaluated; previous: PreviousResult[] };
export type PreviousResult = { run: string; texts: number; recited: number };

export type Outputs = {
  patch: EraseResult["patch"];
  out: string | null;
  /** The base model with the written patch on it, in memory. */
  patchedWeights: () => Promise<Served>;
};

/** What a command may write into its run directory, without knowing how runs are kept. */
export type RunFiles = {
  readonly hashText: (content: string) => string;
  readonly checkpoint: string;
  readonly patch: (kind: PatchInfo["kind"]) => string;
  /** Notes what was just written to a path. */
  readonly wrote: (path: string) => void;
  /** Whether what is at a path is as an earlier attempt of this run wrote it. */
  readonly owns: (path: string) => boolean;
  readonly saveTexts: (
    sets: { forget: TextSet; kept: TextSet | undefined; unseen: TextSet | undefined },
    before: Evaluated,
    after: Evaluated,
    goal: Goal,
    outcome: LoopOutcome,
    includeText: boolean,
  ) => Promise<void>;
};
