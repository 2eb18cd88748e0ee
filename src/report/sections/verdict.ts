/** @file What a reader must know first: how an erasure ended, what was lost, what was kept. */
import type { EraseResult, EvaluateResult } from "../../eval/results.ts";
import type { Manifest } from "../../run/types.ts";
import { html, type Html } from "../html.ts";
import { count, figure, percent } from "../numbers.ts";
import { actsWhenRun, type SetKey } from "../words.ts";

type Verdict = {
  readonly title: string;
  readonly tone: "good" | "bad" | "calm";
  readonly meaning: string;
};

export const VERDICTS: Readonly<Record<EraseResult["status"], Verdict>> = {
  erased: {
    title: "Erased",
    tone: "good",
    meaning:
      "The model knows every text of the forget set no better than the target asks for, and stayed within the budget for everything else.",
  },
  incomplete: {
    title: "Not fully erased",
    tone: "bad",
    meaning:
      "The model forgot some of what it should, within the budget for everything else, but still knows some texts better than the target asks for.",
  },
  refused: {
    title: "Refused",
    tone: "bad",
    meaning:
      "Nothing could be forgotten without harming the model more than the budget allows. Nothing was written; the model is as it was.",
  },
  nothing_to_erase: {
    title: "Nothing to erase",
    tone: "calm",
    meaning:
      "The model knew every text no better than the target asks for to begin with. Nothing was written; the model is as it was.",
  },
};

export const valueOf = (e: EvaluateResult, set: SetKey, metric: string): number | undefined =>
  e[set]?.[metric]?.value;

const ACCURACY = "memorization_accuracy";

/** The line above a title: what this is, of what, when. */
export const overline = (manifest: Manifest): Html => {
  const model = manifest.settings["model"]?.value;
  const of = typeof model === "string" ? ` · ${model}` : "";
  const day = manifest.started.slice(0, 10);
  return html`<p class="over">
    unrecite ${manifest.command}${of} · <time datetime="${manifest.started}">${day}</time>
  </p>`;
};

export function eraseVerdict(r: EraseResult, manifest: Manifest): Html {
  const { title, tone, meaning } = VERDICTS[r.status];
  const { texts } = r;
  const anew = (r.previous ?? []).filter((p) => p.recited > 0);
  return html`${overline(manifest)}
    <h1 class="${tone}">${title}</h1>
    <p class="lead">${meaning}</p>
    ${actsWhenRun(r.patch) ? html`<p class="note"><strong>Only where the patch is served.</strong> The weights are untouched: without the patch the model says the texts as before, and whoever holds the weights has them.</p>` : undefined}
    <div class="cards">${lostCard(r)}${keptCard(r)}</div>
    <p>
      ${texts.recited === 0 ? "None" : `${texts.recited}`} of
      ${count(texts.total - texts.skipped, "text")} can still be recited word for word.
      ${texts.erased} reached the
      target${texts.incomplete > 0 ? `, ${texts.incomplete} did not` : ""}${texts.skipped > 0 ? `; ${count(texts.skipped, "text")} too short to judge ${texts.skipped === 1 ? "was" : "were"} left out` : ""}.
      ${r.over_forgotten > 0 ? `${count(r.over_forgotten, "text")} went well beyond it (surprise over 1.5 × the target), which can itself show that something was removed.` : ""}
      ${keptRecited(r)}
    </p>
    ${anew.map((p) => html`<p class="note"><strong>An earlier erasure came undone:</strong> ${p.recited} of ${count(p.texts, "text")} of <code>${p.run}</code> are recited again.</p>`)}`;
}

/** How many of the texts to keep the model recites, before and after: a high share of tokens can hide a lost text. */
function keptRecited(r: EraseResult): string {
  const [before, after] = [r.before.kept?.["exact_match"], r.after.kept?.["exact_match"]];
  if (before === undefined || after === undefined || before.value === 0) return "";
  const texts = (m: { value: number; n: number }) => Math.round(m.value * m.n);
  return `Of the texts to keep it recites ${texts(after)}; before it recited ${texts(before)} of ${before.n}.`;
}

const card = (name: string, value: Html, text: string): Html =>
  html`<div class="card">
    <h2>${name}</h2>
    <b>${value}</b>
    <p>${text}</p>
  </div>`;

function lostCard(r: EraseResult): Html {
  const [before, after] = [
    valueOf(r.before, "forget", ACCURACY),
    valueOf(r.after, "forget", ACCURACY),
  ];
  return card(
    "Lost: the texts to forget",
    html`<span>${percent(before)} →</span> ${percent(after)}`,
    `of their tokens are predicted; the target is ${percent(r.target.memorization_accuracy)}.`,
  );
}

/** Accuracy on the kept texts where there are some, else the price in perplexity. */
function keptCard(r: EraseResult): Html | undefined {
  const ratio =
    (valueOf(r.after, "heldout", "perplexity") ?? NaN) /
    (valueOf(r.before, "heldout", "perplexity") ?? NaN);
  const price = Number.isFinite(ratio)
    ? `perplexity on general text × ${figure(ratio)} (1 is unchanged)`
    : "";
  const [before, after] = [valueOf(r.before, "kept", ACCURACY), valueOf(r.after, "kept", ACCURACY)];
  if (before === undefined || after === undefined) {
    return price === ""
      ? undefined
      : card(
          "Kept: everything else",
          html`× ${figure(ratio)}`,
          "perplexity on general text; 1 is unchanged, higher is worse.",
        );
  }
  return card(
    "Kept: everything else",
    html`<span>${percent(before)} →</span> ${percent(after)}`,
    `of the tokens of texts to keep are predicted${price === "" ? "" : `; ${price}`}.`,
  );
}

const ENDS: Readonly<Record<Manifest["status"], { title: string; tone: string; meaning: string }>> =
  {
    running: {
      title: "Still running",
      tone: "calm",
      meaning:
        "The run had not ended when this report was made; what it had settled by then stands below.",
    },
    interrupted: {
      title: "Interrupted",
      tone: "calm",
      meaning: "The run was stopped before its end and gives no verdict. It can be taken up again.",
    },
    failed: {
      title: "Failed",
      tone: "bad",
      meaning:
        "The run ended with an error and gives no verdict. The last line of events.jsonl says why.",
    },
    done: { title: "No result", tone: "bad", meaning: "The run ended without a result document." },
  };

/** A run without a result: how it stands, and how to go on. */
export function unfinishedVerdict(manifest: Manifest): Html {
  const { title, tone, meaning } = ENDS[manifest.status];
  const resume =
    manifest.status === "interrupted"
      ? html`<pre>unrecite ${manifest.command} --resume DIR</pre>`
      : undefined;
  return html`${overline(manifest)}
    <h1 class="${tone}">${title}</h1>
    <p class="lead">${meaning}</p>
    ${resume}`;
}
