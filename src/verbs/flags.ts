/** @file The flags of all commands (SPEC.md section 4). A method's own settings have no default here: the method says. */
import type { Flags } from "../base/flags.ts";

/** Names are fixed by the method table; kept as literals so that `--help` never loads LibTorch. */
export const METHOD_NAMES = [
  "emso",
  "emso-paper",
  "em",
  "ga",
  "graddiff",
  "kl",
  "dpo",
  "npo",
  "undial",
  "simnpo",
  "me",
  "label_smoothing",
  "ce_u",
  "wga",
  "satimp",
  "pdu",
  "spul",
  "dp_decoding",
  "contrastive_decoding",
  "task_arithmetic",
  "ssd",
  "sga",
  "rmu",
  "balanced_subnet",
] as const;
export const SELECTOR_NAMES = [
  "contrastive",
  "magnitude",
  "random",
  "dense",
  "directions",
  "directions-gradient",
  "sign_gated",
  "anti_aligned",
  "difference",
  "ratio",
  "salun",
  "wagle",
  "memflex",
  "sure",
  "downstream_importance",
  "contrastive_self",
  "contrastive_recited",
  "contrastive_odds",
] as const;

const MACHINE = {
  device: {
    kind: "choice",
    of: ["auto", "cpu", "cuda"],
    default: "auto",
    help: "where tensors live",
  },
  dtype: {
    kind: "choice",
    of: ["auto", "float32", "bfloat16"],
    default: "auto",
    help: "dtype of training (auto: bfloat16 only with AMX); metrics stay float32 under auto",
  },
  threads: { kind: "integer", min: 1, max: 1024, help: "CPU threads (default: all cores)" },
  memory: { kind: "integer", min: 1_000_000, help: "ceiling for tensors, in bytes" },
} as const satisfies Flags;

export const GLOBAL = {
  seed: {
    kind: "integer",
    default: 0,
    min: 0,
    max: 2 ** 31 - 1,
    help: "seed of everything that is drawn",
  },
  ...MACHINE,
} as const satisfies Flags;

const CUT = {
  prefixTokens: {
    kind: "integer",
    default: 50,
    min: 1,
    max: 100_000,
    help: "tokens of a window that are given (P)",
  },
  suffixTokens: {
    kind: "integer",
    default: 50,
    min: 1,
    max: 100_000,
    help: "tokens of a window that are scored (S)",
  },
  textField: { kind: "text", default: "text", help: "field or column that holds the text" },
} as const satisfies Flags;

const RUN = {
  run: { kind: "text", help: "run directory (default runs/<time>-<command>)" },
  resume: { kind: "text", help: "goes on with the interrupted run in this directory" },
  includeText: {
    kind: "switch",
    default: false,
    help: "writes the texts themselves into texts.jsonl and report",
  },
} as const satisfies Flags;

const SETS = {
  kept: { kind: "text", help: "texts that must go on being recited (locality check)" },
  unseen: { kind: "text", help: "texts of the same kind that the model never saw" },
  heldout: { kind: "text", help: "general text: the utility gate and perplexity" },
} as const satisfies Flags;

const TASKS = {
  tasks: {
    kind: "list",
    help: "files of items with answers, each named by its file or as NAME=FILE, see ls tasks",
  },
  taskItems: { kind: "integer", min: 1, help: "items of each task at most, drawn (default: all)" },
} as const satisfies Flags;

export const AUDIT = {
  model: { kind: "text", required: true, help: "model directory, .gguf file or hf:owner/name" },
  texts: { kind: "text", required: true, help: "texts to scan: file, folder, glob or - for stdin" },
  ...CUT,
  failOn: {
    kind: "text",
    default: "none",
    help: "exit 1 on: recited, none, or <metric><op><number>, e.g. memorization_accuracy>0.8",
  },
  top: { kind: "integer", default: 100, min: 1, max: 1_000_000, help: "texts to list" },
  metrics: { kind: "list", help: "metrics to compute (default: all one-pass metrics)" },
  ...RUN,
  ...GLOBAL,
} as const satisfies Flags;

export const MEMORIZE = {
  model: { kind: "text", required: true, help: "model to start from" },
  texts: { kind: "text", required: true, help: "texts to recite" },
  general: {
    kind: "text",
    default: "self",
    help: "general text mixed in: a file, or self (the model's own samples)",
  },
  heldout: { kind: "text", help: "general text on which the cost in perplexity is measured" },
  out: { kind: "text", required: true, help: "directory for the result" },
  until: {
    kind: "number",
    default: 0.99,
    min: 0,
    max: 1,
    help: "share of texts (of the largest dose of --repeats) recited, two epochs in a row, at which to stop",
  },
  epochs: { kind: "integer", default: 40, min: 1, max: 10_000, help: "most epochs" },
  lr: { kind: "number", default: 1.2e-4, min: 0, max: 1, help: "learning rate" },
  batch: {
    kind: "integer",
    default: 8,
    min: 1,
    max: 4096,
    help: "texts per step",
  },
  mix: {
    kind: "number",
    default: 1,
    min: 0,
    max: 100,
    help: "windows of general text that join each text in a step",
  },
  repeats: {
    kind: "integers",
    default: [1],
    min: 1,
    max: 1000,
    help: "how often each text is shown per epoch; with several, as in 1,2,4,8, each for an equal share of the texts",
  },
  ...CUT,
  ...RUN,
  ...GLOBAL,
} as const satisfies Flags;

export const EVALUATE = {
  model: { kind: "text", required: true, help: "model to measure" },
  patch: { kind: "text", help: "patch to put on it first" },
  rounding: {
    kind: "choice",
    of: ["4", "8", "none"],
    default: "none",
    help: "measures the model as stored in so many bits, round to nearest; a patch on it as it is",
  },
  forget: { kind: "text", help: "texts that should be forgotten" },
  ...SETS,
  ...TASKS,
  ...CUT,
  metrics: { kind: "list", help: "metrics to compute (default: all one-pass metrics)" },
  ...RUN,
  ...GLOBAL,
} as const satisfies Flags;

export const ERASE = {
  model: { kind: "text", required: true, help: "model that recites the texts" },
  forget: { kind: "text", required: true, help: "texts to erase" },
  ...SETS,
  ...TASKS,
  retain: {
    kind: "text",
    help: "text that joins every step to hold the model: a file, or self (its own samples)",
  },
  alternative: {
    kind: "text",
    help: "what should be said instead: a text for the id of each text to forget (dpo)",
  },
  alpha: { kind: "number", min: 0, max: 1000, help: "weight of the retain term" },
  constraint: {
    kind: "text",
    help: "kl=0.05 or nll=0.05: how far text to keep may move, its weight learnt (none: no constraint)",
  },
  dualRate: {
    kind: "number",
    min: 0,
    max: 100_000,
    help: "how fast the weight of the constraint follows (default 10)",
  },
  reference: { kind: "text", help: "the model before the texts were put in: sets the target" },
  previous: { kind: "list", help: "directories of earlier runs whose texts are checked again" },
  method: { kind: "choice", of: METHOD_NAMES, default: "emso", help: "eraser" },
  select: { kind: "choice", of: SELECTOR_NAMES, help: "what may change" },
  fraction: {
    kind: "number",
    min: 0,
    max: 1,
    help: "share of the weights that may change, or are dropped",
  },
  scope: {
    kind: "choice",
    of: ["all", "no-embeddings", "linear", "mlp", "attention", "mlp-out"],
    help: "parameters to select from",
  },
  per: { kind: "choice", of: ["global", "tensor", "row"], help: "over what the share is taken" },
  rank: { kind: "integer", min: 1, max: 65_536, help: "number of directions per layer" },
  groups: {
    kind: "integer",
    min: 1,
    max: 65_536,
    help: "groups of texts whose directions are contrasted with one another",
  },
  samples: {
    kind: "integer",
    min: 0,
    max: 65_536,
    help: "own samples for each text, of its kind, that directions are contrasted with too",
  },
  rounding: {
    kind: "choice",
    of: ["4", "8", "none"],
    help: "bits of a rounded twin in which every fourth step is taken",
  },
  relearning: {
    kind: "number",
    min: 0,
    max: 1,
    help: "how far weights go towards reciting some texts again where every second step is taken (0: not)",
  },
  promptTokens: {
    kind: "integer",
    min: 1,
    max: 65_536,
    help: "spul: vectors in front of every text",
  },
  project: {
    kind: "choice",
    of: ["self", "none"],
    help: "moves steps away from the model's own text",
  },
  precondition: {
    kind: "choice",
    of: ["self", "none"],
    help: "shortens steps in directions where the model's own text feels a change of a layer's output",
  },
  positions: {
    kind: "choice",
    of: ["all", "suffix", "span"],
    help: "positions that carry the loss",
  },
  frozen: {
    kind: "number",
    min: 0,
    max: 0.99,
    help: "share of the blocks, from the first on, that stay as they are",
  },
  optimiser: {
    kind: "choice",
    of: ["adamw", "sgd", "momentum", "subzero"],
    help: "how a step is made of a gradient",
  },
  lr: { kind: "number", min: 0, max: 1, help: "learning rate, or the notch of a dial" },
  epochs: { kind: "integer", min: 1, max: 10_000, help: "most epochs: each ends in a measurement" },
  passes: {
    kind: "integer",
    min: 1,
    max: 1000,
    help: "how often an epoch passes over the texts above their target",
  },
  batch: { kind: "integer", min: 1, max: 4096, help: "windows per step" },
  beta: { kind: "number", min: 0, max: 1000, help: "sharpness or power, see ls methods" },
  gamma: { kind: "number", min: 0, max: 1000, help: "margin, shift or power, see ls methods" },
  smoothing: {
    kind: "number",
    min: 0,
    max: 1,
    help: "label_smoothing: share spread over all tokens",
  },
  threshold: {
    kind: "number",
    min: 0,
    max: 1,
    help: "sga: suffix accuracy above which a text is trained on",
  },
  layer: { kind: "integer", min: 0, max: 100_000, help: "rmu: block whose output is steered" },
  coefficient: {
    kind: "number",
    min: 0,
    max: 1000,
    help: "rmu: length of the vector it is steered to, over that of its own hidden states",
  },
  tunePasses: {
    kind: "integer",
    min: 1,
    max: 10_000,
    help: "task_arithmetic, contrastive_decoding: passes of the fine-tuning they go against",
  },
  tuneLr: { kind: "number", min: 0, max: 1, help: "its learning rate" },
  target: {
    kind: "text",
    help: "reference, unseen, natural, or ma=0.35,nll=2.8 (default: the first available)",
  },
  utilityBudget: {
    kind: "number",
    default: 1.05,
    min: 1,
    max: 100,
    help: "largest held-out perplexity relative to the start",
  },
  checkpointEvery: {
    kind: "integer",
    default: 10,
    min: 1,
    max: 1_000_000,
    help: "steps between checkpoints",
  },
  patchOut: { kind: "text", help: "where the patch goes (default: in the run directory)" },
  patchDtype: {
    kind: "choice",
    of: ["float32", "bfloat16"],
    default: "float32",
    help: "dtype of a factors or prompt patch",
  },
  out: { kind: "text", help: "also writes the merged model to this directory" },
  outDtype: {
    kind: "choice",
    of: ["float32", "float16", "bfloat16"],
    help: "dtype of the merged model (default: the source's)",
  },
  ...CUT,
  ...RUN,
  ...GLOBAL,
} as const satisfies Flags;

export const COMPARE = {
  methods: { kind: "list", required: true, help: "erasers to compare, see ls methods" },
  seeds: { kind: "list", default: ["0"], help: "a run of each method for each of these" },
  model: ERASE.model,
  forget: ERASE.forget,
  ...SETS,
  ...TASKS,
  retain: {
    kind: "text",
    help: "retain text for the methods that take it: a file, or self",
  },
  alternative: ERASE.alternative,
  reference: ERASE.reference,
  oracle: {
    kind: "text",
    help: "the same model given the kept texts alone: what a perfect eraser would give back (experiments)",
  },
  epochs: ERASE.epochs,
  target: ERASE.target,
  utilityBudget: ERASE.utilityBudget,
  cache: {
    kind: "text",
    help: "where runs are kept, and found again (default: in the run directory)",
  },
  ...CUT,
  run: RUN.run,
  resume: RUN.resume,
  ...MACHINE,
} as const satisfies Flags;
