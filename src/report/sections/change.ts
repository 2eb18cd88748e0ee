/** @file What was changed in the model, and how to undo it or make it final. */
import type { EraseResult } from "../../eval/results.ts";
import type { Manifest } from "../../run/types.ts";
import { facts, html, type Html, type Piece } from "../html.ts";
import { bytes, figure, percent } from "../numbers.ts";
import { section, type Section } from "../page.ts";
import { actsWhenRun, TARGET_MEANING, TARGET_RULE } from "../words.ts";

type Patch = NonNullable<EraseResult["patch"]>;

const KINDS: Readonly<Record<Patch["kind"], string>> = {
  factors: "factors: a low-rank addition to some layers, which loads as a LoRA adapter",
  sparse: "sparse: new values for single weights",
  prompt: "prompt: vectors that are read in front of every text; no weight changes",
  decoding: "decoding: a rule on the likelihoods of the next token; no weight changes",
};

export function changeSection(r: EraseResult, manifest: Manifest): Section {
  const { patch } = r;
  const rows: [string, Piece][] = [
    ["Method", html`<code>${r.method}</code>`],
    [
      "Aim",
      `${r.target.from}: ${TARGET_MEANING[r.target.from] ?? ""} (tokens ${percent(r.target.memorization_accuracy)}, surprise ${figure(r.target.suffix_nll, 3)} nats). ${TARGET_RULE[r.target.from] ?? ""}`,
    ],
    ["Where it wrote", whereItWrote(r)],
  ];
  if (patch !== null) {
    rows.push(
      ["Patch", html`<code>${patch.path}</code>, ${bytes(patch.bytes)}`],
      ["Kind", KINDS[patch.kind]],
      [
        "Changed",
        actsWhenRun(patch)
          ? "weights untouched: it acts only where the model is served with this patch"
          : `${figure(patch.changed)} stored values differ from the base model's`,
      ],
      ["SHA-256", html`<code>${patch.sha256}</code>`],
    );
  }
  if (r.out !== null) rows.push(["Merged model", html`<code>${r.out}</code>`]);
  return section(
    "change",
    "Change and undo",
    "What was changed, and how to undo it",
    facts(rows),
    patch === null
      ? html`<p>No patch was written: there is nothing to undo.</p>`
      : actsWhenRun(patch)
        ? serving(patch, manifest)
        : undoing(patch, r.out, manifest),
  );
}

/** A path as a shell takes it. */
const word = (path: string): string =>
  /^[\w./:@%+=-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;

/** Of a rule that compares, the selection is that of the reinforced model beside the base. */
function whereItWrote({ selection: s, patch }: EraseResult): Html {
  const share = html`${figure(s.selected)} of ${figure(s.total)} values (${percent(s.fraction, 2)})`;
  if (s.metric === "decoding") return html`to no weight: a rule, with one strength`;
  if (s.metric === "prompt") {
    return html`to no weight: ${figure(s.selected)} values in front of the text, beside
    ${figure(s.total)} weights (${percent(s.fraction, 2)})`;
  }
  const rank = s.rank === null ? undefined : `, rank ${s.rank}`;
  const chosen = html`chosen by <code>${s.metric}</code>${rank}: ${share}`;
  return patch?.kind === "decoding"
    ? html`to no weight of the model; in the one that is compared with it, ${chosen}`
    : chosen;
}

function baseOf(manifest: Manifest): string {
  const model = manifest.settings["model"]?.value;
  return typeof model === "string" ? word(model) : "BASE";
}

/** Of patches that change no weight: nothing to undo, and nothing that could be made final. */
function serving(patch: Patch, manifest: Manifest): Html {
  return html`<h3>To use it, and to undo it</h3>
    <p>The base model is untouched. Leave the patch away to undo it; with it, run:</p>
    <pre>
unrecite generate --model ${baseOf(manifest)} --patch ${word(patch.path)} --prompt TEXT</pre>
    <h3>It cannot be made final</h3>
    <p class="note">
      <strong>Whoever holds the base weights still has the texts.</strong> This patch changes what
      is said where it is served, not what the weights hold: keep the base model as confidential as
      the texts
      themselves.${patch.kind === "decoding" ? " The same holds for the patch, where its rule compares with a model that recites them better: it holds what makes that model." : ""}
    </p>`;
}

function undoing(patch: Patch, out: string | null, manifest: Manifest): Html {
  const path = word(patch.path);
  const merged = out === null ? "MERGED" : word(out);
  const base = baseOf(manifest);
  return html`<h3>To undo it</h3>
    ${
      patch.kind === "sparse"
        ? html`<p>The patch holds the old values, so it can be taken off again, bit for bit:</p>
            <pre>unrecite patch revert --model ${merged} --patch ${path} --out DIR</pre>`
        : html`<p>
              The base model is untouched: go on with it, without the patch. To be able to go back
              from a merged model, bit for bit, keep the old values when merging:
            </p>
            <pre>
unrecite patch apply --model ${base} --patch ${path} --out MERGED --undo UNDO
unrecite patch revert --model MERGED --patch UNDO --out DIR</pre>`
    }
    <h3>To make it final</h3>
    <p class="note">
      <strong>What can be undone still holds what was erased.</strong> Undo data and the base model
      are as confidential as the texts themselves. Destroying them, every copy, makes the erasure
      final.
    </p>
    ${
      patch.kind === "sparse"
        ? html`<p>Give away only what this writes; it holds no old values:</p>
            <pre>unrecite patch strip --patch ${path} --out PATCH</pre>`
        : html`<p class="small">
            The patch holds no old values, but it was computed from the texts: treat it as
            confidential wherever the base model can be had.
          </p>`
    }`;
}
