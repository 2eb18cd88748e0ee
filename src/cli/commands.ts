/** @file The commands: usage, flags, and the file that runs each. Adding one: its file in commands/, a row here. */
import type { Flags } from "../base/flags.ts";
import { AUDIT, COMPARE, ERASE, EVALUATE, MEMORIZE } from "../verbs/flags.ts";
import { GENERATE, LS, PATCH, REPORT } from "./command-flags.ts";
import type { Invocation } from "./invocation.ts";

export type CommandSpec = {
  readonly usage: string;
  readonly summary: string;
  readonly flags?: Flags;
  readonly load: () => Promise<{ run: (call: Invocation) => Promise<number> }>;
};

export const COMMANDS: readonly CommandSpec[] = [
  {
    usage: "doctor",
    summary: "says what runs here, and a way out for each thing missing",
    load: () => import("./commands/doctor.ts"),
  },
  {
    usage: "audit",
    summary: "scans texts and ranks them by memorisation",
    flags: AUDIT,
    load: () => import("./commands/audit.ts"),
  },
  {
    usage: "memorize",
    summary: "fine-tunes a model until it recites texts (targets for experiments and the demo)",
    flags: MEMORIZE,
    load: () => import("./commands/memorize.ts"),
  },
  {
    usage: "erase",
    summary: "erases texts: patch, optional merged model, measurements before and after",
    flags: ERASE,
    load: () => import("./commands/erase.ts"),
  },
  {
    usage: "evaluate",
    summary: "measures memorisation and utility of a model, or of model + patch",
    flags: EVALUATE,
    load: () => import("./commands/evaluate.ts"),
  },
  {
    usage: "compare",
    summary: "runs several methods on one target and puts their results side by side",
    flags: COMPARE,
    load: () => import("./commands/compare.ts"),
  },
  {
    usage: "patch <verb>",
    summary: "inspect, verify, apply, revert or strip a patch",
    flags: PATCH,
    load: () => import("./commands/patch.ts"),
  },
  {
    usage: "report",
    summary: "renders a run directory as one HTML file",
    flags: REPORT,
    load: () => import("./commands/report.ts"),
  },
  {
    usage: "generate",
    summary: "completes a prompt",
    flags: GENERATE,
    load: () => import("./commands/generate.ts"),
  },
  {
    usage: "ls <what>",
    summary: "lists methods, selectors, metrics, tasks or models",
    flags: LS,
    load: () => import("./commands/ls.ts"),
  },
];
