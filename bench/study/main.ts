/**
 * @file `npm run study -- --stage a|b|c [--budget 120m] [--jobs N] [--only NAME,…] [--texts N] [--kept N] [--label TEXT]
 * [--device D] [--threads N] [--draws N] [--lambada N] [--refresh] [--table]`: runs the cells that are not there yet, each in a
 * process of its own, until the budget is used up, and prints the tables. `--refresh` also runs those of another version of the
 * code, once no other is missing.
 */
import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { inputError, unknownName, UnreciteError } from "../../src/base/errors.ts";
import { resolveFlags, type Flag, type Flags, type Values } from "../../src/base/flags.ts";
import { packageRoot } from "../../src/setup/paths.mjs";
import { ERASE } from "../../src/verbs/flags.ts";
import { runCell, runLandmarks, type Where } from "./cell.ts";
import type { Plan, Recipe } from "./plan.ts";
import { RECIPES, stageA, stageB, stageC } from "./recipes.ts";
import { nameOf, type TargetSpec } from "./sets.ts";
import { cellPath, codeHash, landmarkPath, readCell, type Cell } from "./store.ts";
import { better, tablesOf } from "./table.ts";
import { makeTarget } from "./target.ts";

const CHOSEN = 4; // recipes that go on to stage b, besides the forms of emso
const DEAREST = 1.2; // x perplexity

const STAGES = ["a", "b", "c"] as const;
const STUDY = {
  stage: { kind: "choice", of: STAGES, default: "a", help: "which cells" },
  budget: { kind: "text", default: "120m", help: "no cell begins after it" },
  jobs: { kind: "integer", default: 1, min: 1, help: "cells at once" },
  only: { kind: "list", help: "recipes; stage a runs them in this order" },
  texts: { kind: "integer", min: 1, help: "texts in a set, for a first look with fewer" },
  kept: { kind: "integer", min: 1, help: "most texts in a kept set: a large forget set for less" },
  label: { kind: "text", help: "added to the targets' names: one set of results a machine" },
  device: ERASE.device,
  threads: ERASE.threads,
  draws: { kind: "integer", min: 1, help: "draws of the sampling attack for each text" },
  lambada: { kind: "integer", min: 1, help: "passages of LAMBADA" },
  refresh: { kind: "switch", default: false, help: "also cells of another version of the code" },
  table: { kind: "switch", default: false, help: "runs nothing" },
  alone: { kind: "text", help: "a part of the study, as JSON: how it calls itself" },
} as const satisfies Flags;

/** Everything is text but the switches; what is not in the table is refused there. */
function valuesGiven(): Values<typeof STUDY> {
  const kinds = Object.entries<Flag>(STUDY).map(([key, { kind }]) => {
    const type = kind === "switch" ? ("boolean" as const) : ("string" as const);
    return [key, { type }] as const;
  });
  const options = Object.fromEntries(kinds);
  const given = parseArgs({ options, strict: false }).values;
  return resolveFlags(STUDY, given).values;
}

function seconds(text: string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(s|m|h)$/.exec(text) ?? [];
  if (amount !== undefined) {
    return Number(amount) * { s: 1, m: 60, h: 3600 }[unit as "s" | "m" | "h"];
  }
  throw inputError(`--budget: expected a time such as 90s, 120m or 8h, got "${text}"`, {
    wayOut: "the study goes on where it stopped when it is run again",
  });
}

function plansOf({ stage, texts, kept, only, label }: Values<typeof STUDY>): Plan[] {
  if (texts !== undefined && stage === "c") {
    throw inputError("--texts: expected --stage a or b, got --stage c, whose sizes are fixed", {
      wayOut: "leave out --texts",
    });
  }
  const recipes = only?.map(recipeNamed) ?? RECIPES;
  if (label !== undefined && !/^\w+$/.test(label)) {
    throw inputError(`--label: expected letters, digits and _, got "${label}"`, {
      wayOut: "it is part of a folder's name, for example --label cpu",
    });
  }
  const labelled = (plan: Plan): Plan => {
    const most = Math.min(kept ?? Infinity, plan.target.texts);
    return { ...plan, target: { ...plan.target, kept: most, label } };
  };
  const first = (of: readonly Recipe[]) =>
    stageA({ texts, recipes: of, cellOf: (plan) => cellOf(labelled(plan)) }).map(labelled);
  const all = {
    a: () => first(recipes),
    b: () => stageB(chosen(first(RECIPES)), texts),
    c: () => stageC(chosen(first(RECIPES))),
  };
  return all[stage]()
    .filter((p) => recipes.includes(p.recipe))
    .map(labelled);
}

const cellOf = (plan: Plan) => readCell(cellPath(plan));

function recipeNamed(name: string): Recipe {
  const found = RECIPES.find((r) => r.name === name);
  if (found !== undefined) return found;
  throw unknownName(
    "recipe",
    name,
    RECIPES.map((r) => r.name),
  );
}

/** The forms of emso and the best four others of stage a, each at its better rate. */
function chosen(first: readonly Plan[]): Pick<Plan, "recipe" | "factor">[] {
  const reached = first
    .flatMap((plan) => {
      const cell = cellOf(plan);
      return cell?.status === "reached" ? [{ plan, cell }] : [];
    })
    .filter(({ plan, cell }) => {
      const before = readCell(landmarkPath(plan.target, "target"))?.figures?.perplexity;
      return before !== undefined && cell.figures!.perplexity <= DEAREST * before;
    })
    .sort((a, b) => better(a.cell, b.cell));
  if (reached.length === 0) {
    throw inputError("--stage: expected results of stage a to choose from, got none", {
      wayOut: "run: npm run study -- --stage a",
    });
  }
  const best = reached.filter(
    ({ plan }, i) => reached.findIndex((x) => x.plan.recipe === plan.recipe) === i,
  );
  const forms = best.filter(({ plan }) => plan.recipe.name.startsWith("emso"));
  const others = best.filter((x) => !forms.includes(x)).slice(0, CHOSEN);
  return [...forms, ...others].map(({ plan }) => plan);
}

function whereFrom({ device, stage, ...v }: Values<typeof STUDY>): Where {
  return {
    work: join(packageRoot(), "runs", "study"),
    device,
    threads: v.threads ?? Math.max(1, Math.floor(availableParallelism() / v.jobs)),
    draws: v.draws ?? (stage === "a" ? 10 : 100),
    lambada: v.lambada ?? (stage === "a" ? 100 : 1000),
  };
}

/** Runs a part of the study in a process of its own, so that peak memory is its own and a crash is one cell's. */
function alone({ part, payload, where }: Alone): Promise<number | null> {
  return new Promise((resolve, reject) => {
    const child = spawn(
      process.execPath,
      [
        "--import",
        "tsx",
        fileURLToPath(import.meta.url),
        "--alone",
        JSON.stringify({ part, payload, where }),
      ],
      { stdio: "inherit" },
    );
    const stop = () => child.kill();
    process.once("SIGTERM", stop);
    child.on("close", () => process.off("SIGTERM", stop));
    child.on("error", reject);
    child.on("close", resolve);
  });
}

type Alone = { part: string; payload: unknown; where: Where };

async function runAlone({ part, payload, where: at }: Alone): Promise<void> {
  if (part === "target") {
    const spec = payload as TargetSpec;
    await makeTarget(at.work, spec, (line) => console.error(`${nameOf(spec)} ${line}`));
    await runLandmarks(spec, at);
    return;
  }
  const plan = payload as Plan;
  const label = `${nameOf(plan.target)} ${plan.recipe.name}@${plan.factor.toPrecision(2)}`;
  const cell: Cell = await runCell(plan, at, (line) => console.error(`${label}: ${line}`));
  console.error(
    `${label}: ${cell.status}${cell.error === null ? "" : `: ${cell.error}`}, ${cell.seconds.toFixed(0)} s`,
  );
}

async function study(values: Values<typeof STUDY>): Promise<void> {
  const where = whereFrom(values);
  const began = performance.now();
  const budget = seconds(values.budget);
  const left = () => budget - (performance.now() - began) / 1000;
  const plans = plansOf(values);
  const code = codeHash();
  const isMissing = (p: Plan) => cellOf(p) === undefined;
  const missing = plans.filter(isMissing);
  const stale = values.refresh ? plans.filter((p) => (cellOf(p)?.code ?? code) !== code) : [];
  const queue = [...missing, ...stale];
  const seen = new Set(plans.map(cellPath));
  const addWhatFollows = () => {
    const next = plansOf(values).filter((p) => !seen.has(cellPath(p)) && isMissing(p));
    for (const plan of next) seen.add(cellPath(plan));
    queue.push(...next);
  };
  let ended = false; // asked to: what runs is lost, what is done is kept
  process.once("SIGTERM", () => (ended = true));
  process.once("SIGINT", () => (ended = true));
  const ready = new Map<string, Promise<number | null>>();
  const prepared = (spec: TargetSpec) => {
    const made = ready.get(nameOf(spec)) ?? alone({ part: "target", payload: spec, where });
    ready.set(nameOf(spec), made);
    return made;
  };
  const worker = async () => {
    while (left() > 0 && !ended) {
      const plan = queue.shift();
      if (plan === undefined) return;
      if ((await prepared(plan.target)) !== 0) return;
      if (left() > 0 && !ended) await alone({ part: "cell", payload: plan, where });
      addWhatFollows();
    }
  };
  if (!values.table) {
    await Promise.all(Array.from({ length: values.jobs }, worker));
  }
  console.log(tablesOf(plansOf(values)));
}

try {
  const values = valuesGiven();
  if (values.alone !== undefined) await runAlone(JSON.parse(values.alone) as Alone);
  else await study(values);
} catch (error) {
  if (!(error instanceof UnreciteError)) throw error;
  console.error(error.message);
  process.exitCode = error.exitCode;
}
