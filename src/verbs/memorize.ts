/** @file Makes a model recite texts: a target for experiments and the demo. Says what that cost in perplexity. */
import { resolveFlags, type Options, type Values } from "../base/flags.ts";
import { wholeCut, windowsOf, type MemorizeResult, type Window } from "../eval/index.ts";
import { expectEmptyFolder, expectWritable, writeCheckpoint } from "../io/index.ts";
import { loadModel, type Model } from "../models/index.ts";
import { memorizeLoop, type MemorizeEvent } from "../unlearn/memorize-loop.ts";
import { selfTexts } from "../unlearn/self-text.ts";
import { dealt, dosesOf } from "./doses.ts";
import { evaluateDocument } from "./erase-sets.ts";
import { modelFacts, setFacts, type OnFacts } from "./facts.ts";
import { MEMORIZE } from "./flags.ts";
import { sayLeftOut } from "./left-out.ts";
import { measureSet, type Measured } from "./measure.ts";
import { openSession, peakRss } from "./session.ts";
import { HELDOUT_CUT, leadOf, readSet, skippedIn, type TextSet } from "./sets.ts";

export type MemorizeHooks = {
  signal?: AbortSignal | undefined;
  onEvent?:
    | ((
        event:
          | MemorizeEvent
          | { type: "phase"; name: string; done: number; total: number }
          | { type: "warning"; message: string },
      ) => void)
    | undefined;
  onFacts?: OnFacts;
};

type MemorizeValues = Values<typeof MEMORIZE>;

/** The texts, what is measured beside them and what is mixed in; how often each text is shown. */
type Material = {
  readonly texts: TextSet;
  readonly heldout: TextSet | undefined;
  readonly general: readonly Window[];
  readonly skipped: Pick<MemorizeResult, "skipped_ids">;
  readonly dose: readonly number[];
};

export async function memorize(
  options: Options<typeof MEMORIZE>,
  hooks: MemorizeHooks = {},
): Promise<MemorizeResult> {
  const { values } = resolveFlags(MEMORIZE, options);
  const started = performance.now();
  openSession(values);
  await expectEmptyFolder(values.out);
  if (values.resume !== undefined) {
    const message = "memorize keeps no checkpoint: it begins with the first epoch again";
    hooks.onEvent?.({ type: "warning", message });
  }
  expectWritable(values.out);
  // float32 throughout: this makes a target, and a target should not carry rounding of its own
  const dtype = values.dtype === "bfloat16" ? "bfloat16" : "float32";
  const { material, before, epochs } = await withModel(values.model, { dtype }, async (model) => {
    await modelFacts(model, hooks.onFacts);
    const material = await readMaterial(model, values, hooks);
    const before = await measure(model, material, hooks.signal);
    return { material, before, epochs: await teach(model, material, values, hooks) };
  });
  const after = await withModel(values.out, {}, (m) => measure(m, material, hooks.signal));
  return {
    schema: "unrecite/memorize/v1",
    out: values.out,
    texts: material.texts.ids.length,
    ...material.skipped,
    recited: recitedIn(after.kept),
    epochs,
    ...(values.repeats.length > 1 && { doses: dosesOf(material.dose, after.kept) }),
    before: evaluateDocument(before),
    after: evaluateDocument(after),
    seconds: (performance.now() - started) / 1000,
    peak_rss_bytes: peakRss(),
  };
}

async function withModel<T>(
  spec: string,
  options: { dtype?: "bfloat16" | "float32" },
  use: (model: Model) => Promise<T>,
): Promise<T> {
  const model = await loadModel(spec, options);
  try {
    return await use(model);
  } finally {
    model.dispose();
  }
}

async function readMaterial(
  model: Model,
  values: MemorizeValues,
  { signal, onFacts }: MemorizeHooks,
): Promise<Material> {
  const { prefixTokens: prefix, suffixTokens: suffix, textField } = values;
  const texts = await readSet("texts", values.texts, model, { prefix, suffix, textField });
  const heldout =
    values.heldout === undefined
      ? undefined
      : await readSet("heldout", values.heldout, model, { ...HELDOUT_CUT, textField });
  const window = { ...wholeCut(prefix + suffix), textField };
  const given =
    values.general === "self" ? undefined : await readSet("general", values.general, model, window);
  setFacts({ texts, heldout, general: given }, onFacts);
  const general = given?.windows ?? (await ownWindows(model, texts, values, signal));
  const dose = dealt(texts.ids.length, values.repeats, values.seed);
  const skipped = skippedIn({ texts, heldout, general: given });
  return { texts, heldout, general, skipped, dose };
}

async function measure(
  { arch, weights }: Pick<Model, "arch" | "weights">,
  { texts, heldout }: Material,
  signal: AbortSignal | undefined,
) {
  return {
    forget: undefined,
    kept: await measureSet(arch, weights, texts, "kept", { signal }),
    unseen: undefined,
    heldout: heldout && (await measureSet(arch, weights, heldout, "heldout", { signal })),
    utility: undefined,
  };
}

/** Trains and writes the model; returns how many epochs that took. */
async function teach(
  model: Model,
  { texts, general, dose }: Material,
  values: MemorizeValues,
  { signal, onEvent }: MemorizeHooks,
): Promise<number> {
  const settings = { ...values, repeats: texts.windows.map((w) => dose[w.text]!) };
  const { writer, epochs } = await memorizeLoop(
    model.arch,
    model.params,
    texts.windows,
    general,
    settings,
    { signal, ...(onEvent && { onEvent }) },
  );
  try {
    await writeCheckpoint(values.out, model.source, { tensor: (name) => writer.merged(name) });
    sayLeftOut(model.source, onEvent);
  } finally {
    writer.dispose();
  }
  return epochs;
}

const recitedIn = (measured: Measured | undefined): number =>
  measured?.rows.filter((r) => r?.["exact_match"] === 1).length ?? 0;

/** The model's own samples as general text, in windows as long as the texts' own. */
async function ownWindows(
  model: Model,
  texts: TextSet,
  { prefixTokens, suffixTokens, seed }: MemorizeValues,
  signal: AbortSignal | undefined,
): Promise<Window[]> {
  const length = prefixTokens + suffixTokens;
  const rows = await selfTexts(model.arch, model.weights, {
    count: 192,
    length,
    seed,
    start: leadOf(model.tokenizer).start,
    vocab: model.arch.vocab,
    avoid: texts.windows.map((w) => w.ids),
    signal,
  });
  return rows.flatMap((ids, text) => windowsOf({ ids }, { ...wholeCut(length), text }));
}
