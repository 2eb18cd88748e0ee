/** @file A run directory as one self-contained HTML file: a pure function of what the run left behind. */
import { writeFileAtomic } from "../io/index.ts";
import type { EraseResult, EvaluateResult } from "../eval/index.ts";
import { eraseSections } from "./erase-sections.ts";
import { figure, html, table, type Html } from "./html.ts";
import { page, section } from "./page.ts";
import { readRun, type RunData } from "./read-run.ts";

/** Renders `folder` to `out`; texts appear only with `includeText`, and only if the run kept them. Returns the bytes. */
export async function renderRun(
  folder: string,
  out: string,
  { includeText }: { includeText: boolean },
): Promise<number> {
  const text = renderReport(readRun(folder), { includeText });
  await writeFileAtomic(out, text);
  return Buffer.byteLength(text);
}

export function renderReport(data: RunData, { includeText }: { includeText: boolean }): string {
  const texts = includeText ? data.texts : data.texts.map(({ text: _, ...line }) => line);
  const { manifest } = data;
  const results = manifest.results as { schema?: string } | null;
  const body =
    results?.schema === "unrecite/erase/v1"
      ? eraseSections(results as EraseResult, { ...data, texts })
      : otherSections(manifest.command, results);
  return page(`unrecite ${manifest.command}`, [
    ...body,
    settingsSection(data),
    recordSection(data),
  ]);
}

/** audit, memorize, evaluate: their figures as tables. */
function otherSections(command: string, results: object | null): Html[] {
  if (results === null)
    return [
      html`<h1>${command}: no result</h1>
        <p class="lead">The run did not end; what it had settled stands below.</p>`,
    ];
  const simple = Object.entries(results).filter(
    ([, v]) => typeof v === "number" || typeof v === "string",
  );
  const sets: [string, EvaluateResult[keyof EvaluateResult] | undefined][] = Object.entries(
    results,
  ).flatMap(([key, value]) =>
    key === "before" || key === "after"
      ? Object.entries(value as EvaluateResult).map(([s, m]): [string, never] => [
          `${key}, ${s}`,
          m as never,
        ])
      : key === "metrics" || key in { forget: 1, kept: 1, unseen: 1, heldout: 1 }
        ? [[key, value as never]]
        : [],
  );
  const metricTable = ([name, metrics]: [string, unknown]): Html | undefined =>
    typeof metrics !== "object" || metrics === null
      ? undefined
      : section(
          name,
          table(
            ["measure", "value", "n"],
            Object.entries(metrics as Record<string, { value: number; n: number }>).map(
              ([m, v]) => [m, figure(v.value), v.n],
            ),
          ),
        );
  const ranked = (
    results as { ranked?: { id: string; memorization_accuracy?: number; exact_match?: number }[] }
  ).ranked;
  return [
    html`<p class="faint">unrecite</p>
      <h1>${command}</h1>
      ${table(
        ["", ""],
        simple.map(([k, v]) => [k, typeof v === "number" ? figure(v) : String(v)]),
      )}`,
    ...(ranked === undefined
      ? []
      : [
          section(
            "Most memorised",
            table(
              ["id", "recited", "accuracy"],
              ranked
                .slice(0, 50)
                .map((r) => [
                  r.id,
                  r.exact_match === 1 ? "yes" : "no",
                  figure(r.memorization_accuracy),
                ]),
            ),
          ),
        ]),
    ...sets.map(metricTable).filter((s): s is Html => s !== undefined),
  ];
}

function settingsSection({ manifest }: RunData): Html {
  const rows = Object.entries(manifest.settings).map(([key, { value, from }]) => [
    key,
    typeof value === "string" ? value : JSON.stringify(value),
    from,
  ]);
  return section("Settings", table(["setting", "value", "from"], rows));
}

function recordSection({ manifest: m }: RunData): Html {
  const rows: [string, string][] = [
    ["started", m.started],
    ["took", `${figure(m.seconds)} s, peak memory ${figure(m.peakRssBytes / 1e9)} GB`],
    [
      "unrecite, Node, LibTorch",
      `${m.versions.unrecite}, ${m.versions.node}, ${m.versions.libtorch}`,
    ],
    ["device", `${m.device}, ${m.threads} threads, ${m.dtype} (${m.dtypeReason})`],
    ["seed", String(m.seed)],
    ...Object.entries(m.hashes).map(([k, v]): [string, string] => [`SHA-256 of ${k}`, v ?? ""]),
    ["head of the event log", m.eventsHead ?? ""],
  ];
  return section(
    "Record",
    table(
      ["", ""],
      rows.map(([k, v]) => [k, html`<code>${v}</code>`]),
    ),
  );
}
