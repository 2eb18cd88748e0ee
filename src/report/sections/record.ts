/** @file The small print: settings and where each came from, versions, hashes, and what the method does not show. */
import type { Manifest, Setting } from "../../run/types.ts";
import { facts, html, table, type Piece } from "../html.ts";
import { bytes, duration } from "../numbers.ts";
import { section, type Section } from "../page.ts";
import type { RunData } from "../read-run.ts";

const ORIGIN: Readonly<Record<Setting["from"], string>> = {
  flag: "given",
  recipe: "recipe",
  method: "method",
  default: "default",
};
const RANK = Object.keys(ORIGIN);

const nameOf = (key: string): string => key.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);
/** What a method brought need not be a flag. */
const flagOf = (key: string): string => `--${nameOf(key)}`;

export function settingsSection({ settings }: Manifest): Section {
  const rows = Object.entries(settings)
    .sort(([, a], [, b]) => RANK.indexOf(a.from) - RANK.indexOf(b.from))
    .map(([key, { value, from }]): Piece[] => [
      html`<code>${from === "method" ? nameOf(key) : flagOf(key)}</code>`,
      typeof value === "string" ? value : (JSON.stringify(value) ?? "–"),
      ORIGIN[from],
    ]);
  return section(
    "settings",
    "Settings",
    "Settings",
    html`<p>Every setting that was in force, and where it came from.</p>`,
    table("Settings and their origin", ["setting", "value", "from"], rows),
  );
}

export function recordSection({ manifest: m, log }: RunData): Section {
  const code = (s: string): Piece => html`<code>${s}</code>`;
  const rows: [string, Piece][] = [
    ["Started", m.started],
    ["Took", `${duration(m.seconds)}, at most ${bytes(m.peakRssBytes)} of memory`],
    [
      "Versions",
      `unrecite ${m.versions.unrecite}, Node ${m.versions.node}, LibTorch ${m.versions.libtorch}`,
    ],
    ["Device", `${m.device}, ${m.threads} threads, ${m.dtype} (${m.dtypeReason})`],
    ["Seed", String(m.seed)],
    ...Object.entries(m.hashes).map(([k, v]): [string, Piece] => [
      `SHA-256, ${k}${k.startsWith("texts:") ? " (salted)" : ""}`,
      code(v ?? "–"),
    ]),
    ["Event log ends in", code(m.eventsHead ?? "–")],
  ];
  const state =
    log === undefined
      ? ""
      : `${log.sealed ? "The log's chain holds and ends where the manifest says." : "The log's chain holds, but does not end where the manifest says: one of them is newer."}${log.torn ? " A last line torn by a crash was left out." : ""}`;
  return section(
    "record",
    "Record",
    "Record",
    html`<p>
      Enough to check this report against the run, and to run it again: same settings, seed, device
      and threads give the same patch, bit for bit. ${state}
    </p>`,
    facts(rows),
  );
}

const MEASURED =
  "Memory was measured in two ways: whether the model's likeliest token is the right one (greedy), and how likely it holds the right one. Other prompts, paraphrases, translations and long sampling attacks were not tried.";
const ROBUST =
  "Whether the texts come back after further training, after quantisation, or in a merged or distilled copy was not tested by this command.";
const CERTIFICATE =
  "This is evidence from measurements, not a legal certificate, and says nothing of other copies of the texts or the model.";
const FORMULAS =
  "EMSO's formulas are our reconstruction from the paper's abstract and summaries (arXiv 2408.04983); its exact equations and hyper-parameters were not available.";
const HELDOUT =
  "The cost to everything else is judged by perplexity on general text (the model's own samples where none was given), by the texts to keep and by tasks, where there are some. Harm that shows in none of these was not looked for.";

export function limitsSection({ command }: Manifest): Section {
  const points =
    command === "erase"
      ? [MEASURED, ROBUST, HELDOUT, FORMULAS, CERTIFICATE]
      : [MEASURED, CERTIFICATE];
  return section(
    "limits",
    "Limits",
    "What this report does not say",
    html`<ul class="limits">
      ${points.map((p) => html`<li>${p}</li>`)}
    </ul>`,
  );
}
