/**
 * @file What the study compares: recipes are flags of `erase`, so that whatever is found here can be typed. Stage a: every method
 * and selector; what each loss makes of the same directions; what each selector makes of the same loss.
 */
import { METHOD_NAMES, SELECTOR_NAMES } from "../../src/verbs/flags.ts";
import { settingsFor } from "./erasing.ts";
import type { Plan, Recipe } from "./plan.ts";
import type { TargetSpec } from "./sets.ts";
import type { Cell } from "./store.ts";

/** Methods that train on retain text get the model's own samples: no other data, as for the default. */
const RETAIN: ReadonlySet<string> = new Set([
  "graddiff",
  "kl",
  "rmu",
  "ssd",
  "spul",
  "balanced_subnet",
]);

const own = (method: string): Recipe => ({
  name: method,
  flags: { method, ...(RETAIN.has(method) && { retain: "self" }) },
});

/** The directions of `emso+one-group` under another loss: what the loss adds, and what the selection. */
const directed = (method: string): Recipe => ({
  name: `${method}+directions`,
  flags: {
    method,
    select: "directions",
    scope: "linear",
    lr: 5e-5,
    passes: 4,
  },
});

/** The paper's form on another share of the weights than a twentieth, and as many chosen at random. */
const fractions = (fraction: number): Recipe[] => [
  { name: `emso-paper+${fraction}`, flags: { method: "emso-paper", fraction } },
  { name: `em+random+${fraction}`, flags: { method: "emso-paper", select: "random", fraction } },
];

/** The entropy loss on a twentieth of the weights, chosen by another rule. */
const selected = (select: string): Recipe => ({
  name: `em+${select}`,
  flags: { method: "emso-paper", select },
});

const WEIGHT_SELECTORS = SELECTOR_NAMES.filter(
  (s) => s !== "contrastive" && s !== "dense" && !s.startsWith("directions"),
);

/** The default without the own samples of the texts' kind, which it had not when these were measured: one change at a time. */
const BARE = { method: "emso", samples: 0 } as const;

export const RECIPES: readonly Recipe[] = [
  ...METHOD_NAMES.map(own),
  ...["em", "ga", "npo", "undial"].map(directed),
  {
    name: "em+groups",
    flags: { method: "em", select: "directions", groups: 8, scope: "mlp", lr: 1e-4, passes: 4 },
  },
  { name: "emso+no-samples", flags: BARE },
  { name: "emso+precondition", flags: { method: "emso", precondition: "self" } },
  {
    name: "emso+precondition+relearning",
    flags: { method: "emso", precondition: "self", relearning: 5e-4 },
  },
  {
    name: "emso+dense",
    flags: { method: "emso", select: "dense", scope: "linear", lr: 2e-5 },
  },
  { name: "emso+upper-half", flags: { ...BARE, frozen: 0.5 } },
  { name: "emso+unrounded", flags: { ...BARE, rounding: "none" } },
  { name: "emso+relearning", flags: { ...BARE, relearning: 5e-4 } },
  { name: "emso+linear", flags: { ...BARE, scope: "linear" } },
  {
    name: "emso+one-group",
    flags: { ...BARE, groups: 1, scope: "linear", lr: 3e-5 },
  },
  {
    name: "emso+one-group+unrounded",
    flags: { ...BARE, groups: 1, scope: "linear", lr: 3e-5, rounding: "none" },
  },
  { name: "emso+four-groups", flags: { ...BARE, groups: 4, lr: 6e-5 } },
  { name: "emso+32-groups", flags: { ...BARE, groups: 32, rank: 128 } },
  {
    name: "emso+directions-gradient",
    flags: { ...BARE, select: "directions-gradient", lr: 2e-4 },
  },
  {
    name: "emso+projected",
    flags: { ...BARE, select: "dense", scope: "linear", project: "self", lr: 4e-4 },
  },
  { name: "em+projected", flags: { method: "em", scope: "linear", project: "self", lr: 2e-4 } },
  { name: "em+sgd", flags: { method: "emso-paper", optimiser: "sgd", lr: 0.05 } },
  {
    name: "em+random+sgd",
    flags: { method: "emso-paper", select: "random", optimiser: "sgd", lr: 0.05 },
  },
  ...WEIGHT_SELECTORS.map(selected),
  ...[0.01, 0.3].flatMap(fractions),
  { name: "em+rows", flags: { method: "emso-paper", per: "row" } },
  { name: "em+constraint", flags: { method: "em", constraint: "kl=0.05" } },
  { name: "em+subzero", flags: { method: "em", optimiser: "subzero", lr: 1e-4 } },
];

/** Texts in a set of stage a. */
export const TEXTS = 32;

const small = (texts: number, seed = 0): TargetSpec => ({ texts, tokens: 64, seed });

/**
 * The factor of a recipe's second rate: smaller where the first broke, or got there with enough passes to spare for it; larger where
 * that came late or never; none where it could not run.
 */
function secondFactor({ recipe, factor }: Plan, { status, epochs }: Cell): number | undefined {
  if (status === "failed") return undefined;
  const most = settingsFor({ flags: recipe.flags, factor }).epochs;
  const early = status === "reached" && 3 * epochs <= most;
  return early || status === "collapsed" ? 1 / 3 : 3;
}

type StageA = {
  readonly texts?: number | undefined;
  readonly recipes?: readonly Recipe[] | undefined;
  /** What is there of a plan. */
  readonly cellOf?: ((plan: Plan) => Cell | undefined) | undefined;
};

/** Stage a: one seed, two learning rates, the second when the first has ended. Fewer texts give a first look where there is no GPU. */
export function stageA({
  texts = TEXTS,
  recipes = RECIPES,
  cellOf = () => undefined,
}: StageA = {}): Plan[] {
  const first = recipes.map((recipe): Plan => ({
    target: small(texts),
    recipe,
    factor: 1,
    seed: 0,
  }));
  const second = first.flatMap((plan) => {
    const cell = cellOf(plan);
    const factor = cell === undefined ? undefined : secondFactor(plan, cell);
    return factor === undefined ? [] : [{ ...plan, factor }];
  });
  return [...first, ...second];
}

/** Set sizes beside that of stage a. */
const SIZES = [8, 128];
const WINDOW = [0.1, 0.3, 1, 3, 10];

type Chosen = readonly { recipe: Recipe; factor: number }[];

const eachOn = (targets: readonly TargetSpec[], chosen: Chosen): Plan[] =>
  targets.flatMap((target) =>
    chosen.map(({ recipe, factor }) => ({ target, recipe, factor, seed: target.seed })),
  );

/**
 * Stage b: the chosen recipes at their better rate on families and seeds that nothing was tuned on and, but for a first look with
 * fewer texts, on other set sizes; and their window of learning rates on the first.
 */
export const stageB = (chosen: Chosen, texts: number = TEXTS): Plan[] => [
  ...eachOn(
    [1, 2].map((seed) => small(texts, seed)),
    chosen,
  ),
  ...eachOn(texts === TEXTS ? SIZES.map((size) => small(size, 1)) : [], chosen),
  ...chosen.flatMap(({ recipe, factor }) =>
    WINDOW.filter((x) => x !== 1).map((x) => ({
      target: small(texts),
      recipe,
      factor: factor * x,
      seed: 0,
    })),
  ),
];

/** Stage c: long texts, a large set; where a GPU or a night is at hand. */
export const stageC = (chosen: Chosen): Plan[] =>
  eachOn(
    [
      { texts: 256, tokens: 100, seed: 1 },
      { texts: 1024, tokens: 64, seed: 1 },
    ],
    chosen,
  );
