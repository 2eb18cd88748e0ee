/** @file Makes a model recite texts: a target for experiments and the demo. Says what that cost in perplexity. */
import { resolveFlags, type Options } from "../base/flags.ts";
import { windowsOf, type MemorizeResult, type Window } from "../eval/index.ts";
import { expectEmptyFolder, writeCheckpoint } from "../io/index.ts";
import { loadModel, type Model, type Weights } from "../models/index.ts";
import { memorizeLoop, type MemorizeEvent } from "../unlearn/memorize-loop.ts";
import { selfTexts } from "../unlearn/self-text.ts";
import { dealt, dosesOf } from "./doses.ts";
import { evaluateDocument } from "./erase-sets.ts";
import { MEMORIZE } from "./flags.ts";
import { measureSet, type Measured } from "./measure.ts";
import { openSession, peakRss } from "./session.ts";
import { HELDOUT_CUT, leadOf, readSet, type TextSet } from "./sets.ts";

export type MemorizeHooks = {
  signal?: AbortSignal | undefined;
  onEvent?:
    | ((
        event: MemorizeEvent | { type: "phase"; name: string; done: number; total: number },
      ) => void)
    | undefined;
};

export async function memorize(
  options: Options<typeof MEMORIZE>,
  { signal, onEvent }: MemorizeHooks = {},
): Promise<MemorizeResult> {
  const { values } = resolveFlags(MEMORIZE, options);
  const started = performance.now();
  openSession(values);
  await expectEmptyFolder(values.out);
  // float32 throughout: this makes a target, and a target should not carry rounding of its own
  const model = await loadModel(values.model, {
    dtype: values.dtype === "bfloat16" ? "bfloat16" : "float32",
  });
  try {
    const cut = {
      prefix: values.prefixTokens,
      suffix: values.suffixTokens,
      textField: values.textField,
    };
    const texts = await readSet("texts", values.texts, model, cut);
    const heldout =
      values.heldout === undefined
        ? undefined
        : await readSet("heldout", values.heldout, model, {
            ...HELDOUT_CUT,
            textField: values.textField,
          });
    const general = await generalWindows(values.general, model, texts, values, signal);
    const evaluateAll = async (arch: Model["arch"], w: Weights) => ({
      forget: undefined,
      kept: await measureSet(arch, w, texts, "kept", { signal }),
      unseen: undefined,
      heldout:
        heldout === undefined
          ? undefined
          : await measureSet(arch, w, heldout, "heldout", { signal }),
      utility: undefined,
    });
    const dose = dealt(texts.ids.length, values.repeats, values.seed);
    const repeats = texts.windows.map((w) => dose[w.text]!);
    const before = await evaluateAll(model.arch, model.weights);
    const { writer, epochs } = await memorizeLoop(
      model.arch,
      model.params,
      texts.windows,
      general,
      { ...values, repeats },
      { signal, ...(onEvent && { onEvent }) },
    );
    try {
      await writeCheckpoint(values.out, model.source, { tensor: (name) => writer.merged(name) });
    } finally {
      writer.dispose();
    }
    const after = await measureWritten(values.out, evaluateAll);
    return {
      schema: "unrecite/memorize/v1",
      out: values.out,
      texts: texts.ids.length,
      recited: recitedIn(after.kept),
      epochs,
      ...(values.repeats.length > 1 && { doses: dosesOf(dose, after.kept) }),
      before: evaluateDocument(before),
      after: evaluateDocument(after),
      seconds: (performance.now() - started) / 1000,
      peak_rss_bytes: peakRss(),
    };
  } finally {
    model.dispose();
  }
}

const recitedIn = (measured: Measured | undefined): number =>
  measured?.rows.filter((r) => r?.["exact_match"] === 1).length ?? 0;

async function measureWritten<T>(
  out: string,
  measure: (arch: Model["arch"], w: Weights) => Promise<T>,
): Promise<T> {
  const written = await loadModel(out);
  try {
    return await measure(written.arch, written.weights);
  } finally {
    written.dispose();
  }
}

/** Windows of general text as long as the texts' own: from a file, or the model's own samples. */
async function generalWindows(
  spec: string,
  model: Model,
  texts: TextSet,
  {
    prefixTokens,
    suffixTokens,
    seed,
    textField,
  }: { prefixTokens: number; suffixTokens: number; seed: number; textField: string },
  signal: AbortSignal | undefined,
): Promise<Window[]> {
  const length = prefixTokens + suffixTokens;
  if (spec !== "self") {
    return [
      ...(await readSet("general", spec, model, { prefix: 1, suffix: length - 1, textField }))
        .windows,
    ];
  }
  const rows = await selfTexts(model.arch, model.weights, {
    count: 192,
    length,
    seed,
    start: leadOf(model.tokenizer).start,
    vocab: model.arch.vocab,
    avoid: texts.windows.map((w) => w.ids),
    signal,
  });
  return rows.flatMap((ids, text) => windowsOf({ ids }, { text, prefix: 1, suffix: length - 1 }));
}
