/** @file The sections of an erasure's report: verdict first, then what was lost and kept, how it went, how to undo it. */
import type { EraseResult, EvaluateResult } from "../eval/index.ts";
import { METRICS, type MetricName } from "../eval/metrics/index.ts";
import { bars, FORGET, KEPT, lines, UNSEEN } from "./charts.ts";
import { figure, html, table, type Html } from "./html.ts";
import { section } from "./page.ts";
import type { RunData } from "./read-run.ts";

const VERDICTS: Record<EraseResult["status"], { title: string; good: boolean; meaning: string }> = {
  erased: {
    title: "Erased",
    good: true,
    meaning:
      "Every text of the forget set is now known no better than the target level asks for, and the utility budget was kept.",
  },
  incomplete: {
    title: "Incomplete",
    good: false,
    meaning:
      "The utility budget was kept, but some texts are still known better than the target level asks for.",
  },
  refused: {
    title: "Refused",
    good: false,
    meaning:
      "Nothing could be forgotten within the utility budget. The model was left as it was and nothing was written.",
  },
  nothing_to_erase: {
    title: "Nothing to erase",
    good: true,
    meaning: "Every text was at its target already. The model was left as it was.",
  },
};

const MEANINGS: Partial<Record<MetricName, string>> = {
  exact_match: "share of texts that greedy decoding recites to the end",
  memorization_accuracy: "share of tokens that the model would get right",
  suffix_nll:
    "how surprised the model is by the text (nats per token): what a sampling attacker meets",
  longest_verbatim_run: "longest run of tokens it gets right in a row",
  extraction_strength: "share of a text that follows without a slip to its end",
  token_probability: "mean probability of the true token",
  entropy: "how undecided it is (nats)",
  rank: "how many tokens it holds likelier than the true one",
  perplexity: "how surprised it is per token, pooled; for general text the cost of the change",
};

const value = (
  e: EvaluateResult,
  set: "forget" | "kept" | "unseen" | "heldout",
  name: string,
): number | undefined => e[set]?.[name]?.value;

export function eraseSections(result: EraseResult, { texts, events }: RunData): Html[] {
  return [
    verdict(result),
    compared(result),
    overTime(result, events),
    worst(texts),
    changed(result),
    limits(),
  ];
}

function verdict(r: EraseResult): Html {
  const v = VERDICTS[r.status];
  const ppl = [
    value(r.before, "heldout", "perplexity"),
    value(r.after, "heldout", "perplexity"),
  ] as const;
  const kept = value(r.after, "kept", "memorization_accuracy");
  return html`<p class="faint">unrecite · erasure report</p>
    <h1 class="${v.good ? "good" : "bad"}">${v.title}</h1>
    <p class="lead">${v.meaning}</p>
    <div class="cards">
      <div class="card">
        <b>${r.texts.recited} of ${r.texts.total - r.texts.skipped}</b>texts are still recited word
        for word
      </div>
      <div class="card">
        <b>${figure(value(r.after, "forget", "memorization_accuracy"))}</b>of their tokens are
        predicted, before ${figure(value(r.before, "forget", "memorization_accuracy"))}, target
        ${figure(r.target.memorization_accuracy)}
      </div>
      ${kept === undefined ? undefined : html`<div class="card"><b>${figure(kept)}</b>accuracy on texts to be kept, before ${figure(value(r.before, "kept", "memorization_accuracy"))}</div>`}
      ${ppl[0] === undefined || ppl[1] === undefined ? undefined : html`<div class="card"><b>× ${figure(ppl[1] / ppl[0])}</b>perplexity on general text (1 is unchanged)</div>`}
    </div>
    <p class="faint">
      ${r.texts.erased} texts at their target, ${r.texts.incomplete} above it, ${r.texts.skipped}
      too short to judge; ${r.over_forgotten} forgotten well beyond it. Target from:
      ${r.target.from}.
    </p>`;
}

function compared(r: EraseResult): Html {
  const sets = (["forget", "kept", "unseen", "heldout"] as const).filter(
    (s) => r.before[s] !== undefined && r.after[s] !== undefined,
  );
  const column = (e: EvaluateResult, name: string) => sets.map((s) => value(e, s, name) ?? null);
  const rows = Object.keys(r.before.forget ?? {}).flatMap((name) =>
    sets.map((s, i) => {
      const after = r.after[s]?.[name];
      const better =
        after?.better === "none" || after === undefined ? "" : `${after.better} is better`;
      return [
        i === 0
          ? html`<strong>${name}</strong><br /><span class="faint"
                >${MEANINGS[name as MetricName] ?? METRICS[name as MetricName].summary}</span
              >`
          : "",
        s,
        figure(value(r.before, s, name)),
        figure(after?.value),
        after?.stderr === null || after === undefined ? "" : `± ${figure(after.stderr)}`,
        better,
      ];
    }),
  );
  return section(
    "What was forgotten, what was kept",
    bars(
      `Share of tokens predicted, before and after: ${sets.join(", ")}`,
      sets,
      column(r.before, "memorization_accuracy"),
      column(r.after, "memorization_accuracy"),
    ),
    html`<p>
      Forgetting should show on the first set and nowhere else. Unseen texts, which the model never
      saw, show what not knowing looks like.
    </p>`,
    table(["measure", "set", "before", "after", "", ""], rows),
  );
}

type Epoch = {
  epoch: number;
  memorization_accuracy: number;
  suffix_nll: number;
  entropy: number;
  perplexity: number;
  active: number;
};

function overTime(r: EraseResult, events: readonly Record<string, unknown>[]): Html {
  const epochs = events.filter((e) => e["type"] === "epoch") as unknown as Epoch[];
  const steps = events.filter((e) => e["type"] === "step");
  if (epochs.length === 0) return section("How it went", html`<p>No step was taken.</p>`);
  const x = epochs.map((e) => e.epoch);
  const target = (level: number) => epochs.map(() => level);
  const norms = steps.map((s) => Number(s["gradNorm"]));
  return section(
    "How it went",
    lines("Tokens predicted on the forget set, per epoch, and its target", "accuracy", x, [
      { name: "forget set", colour: FORGET, values: epochs.map((e) => e.memorization_accuracy) },
      {
        name: "target",
        colour: UNSEEN,
        values: target(r.target.memorization_accuracy),
        dashed: true,
      },
    ]),
    lines("Negative log-likelihood and entropy on the forget set, per epoch (nats)", "nats", x, [
      { name: "nll", colour: FORGET, values: epochs.map((e) => e.suffix_nll) },
      { name: "target nll", colour: UNSEEN, values: target(r.target.suffix_nll), dashed: true },
      { name: "entropy", colour: KEPT, values: epochs.map((e) => e.entropy) },
    ]),
    lines("Perplexity on general text, per epoch", "perplexity", x, [
      { name: "perplexity", colour: KEPT, values: epochs.map((e) => e.perplexity) },
    ]),
    html`<p class="faint">
      ${r.epochs} epochs, ${r.steps} steps, ${r.backoffs} back-offs; gradient norm from
      ${figure(Math.min(...norms))} to ${figure(Math.max(...norms))}. Curves are measured with the
      training dtype; the tables above on what was written.
    </p>`,
  );
}

function worst(texts: RunData["texts"]): Html {
  const forget = texts.filter((t) => t.set === "forget" && t.after !== undefined);
  const rows = [...forget]
    .sort(
      (a, b) => (b.after!["memorization_accuracy"] ?? 0) - (a.after!["memorization_accuracy"] ?? 0),
    )
    .slice(0, 10)
    .map((t) => [
      t.id,
      t.status,
      figure(t.before?.["memorization_accuracy"]),
      figure(t.after?.["memorization_accuracy"]),
      figure(t.target?.memorization_accuracy),
      figure(t.after?.["longest_verbatim_run"]),
      ...(t.text === undefined ? [] : [t.text]),
    ]);
  return section(
    "The texts that are still known best",
    rows.length === 0
      ? html`<p>No text was measured.</p>`
      : table(
          [
            "id",
            "status",
            "before",
            "after",
            "target",
            "longest run",
            ...(rows[0]!.length > 6 ? ["text"] : []),
          ],
          rows,
        ),
  );
}

function changed(r: EraseResult): Html {
  const { selection: s, patch } = r;
  return section(
    "What was changed, and how to undo it",
    html`<p>
      Method <code>${r.method}</code> wrote ${s.selected} of ${s.total} free values
      (${figure(100 * s.fraction)} %), chosen by
      <code>${s.metric}</code>${s.rank === null ? "" : ` at rank ${s.rank}`}.
    </p>`,
    patch === null
      ? html`<p>No patch was written.</p>`
      : html`<p>
            Patch: <code>${patch.path}</code>, ${patch.kind}, ${figure(patch.bytes / 1e6)} MB,
            ${patch.changed} stored values differ, SHA-256 <code>${patch.sha256}</code>.
          </p>
          <p>
            ${patch.kind === "factors" ? html`To undo it, go on with the base model; <code>unrecite patch apply --undo FILE</code> keeps what <code>unrecite patch revert</code> needs to restore a merged model bit for bit.` : html`To undo it: <code>unrecite patch revert --model MERGED --patch ${patch.path} --out DIR</code>. Ship what <code>unrecite patch strip</code> writes: it holds no old values.`}
          </p>
          <p>
            <strong>What can be undone holds what was erased.</strong> Undo data and the base model
            are as confidential as the texts; destroying them makes the erasure final.
          </p>`,
  );
}

const limits = (): Html =>
  section(
    "What this report does not say",
    html`<p>
      EMSO's formulas are a reconstruction from the paper's abstract and summaries (arXiv
      2408.04983). Measured here: greedy recitation and likelihood of the given texts from the given
      prefix length. Not measured: other prefixes, paraphrases, relearning, quantised copies. It is
      evidence, not a certificate.
    </p>`,
  );
