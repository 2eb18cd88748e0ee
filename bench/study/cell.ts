/** @file One cell, in a process of its own: erase up to equal forgetting, then every figure of what came out. */
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { messageOf } from "../../src/base/errors.ts";
import { tokenStats } from "../../src/eval/index.ts";
import { loadModel, type Model, type Parameters } from "../../src/models/index.ts";
import {
  disposeAll,
  keep,
  noGrad,
  sub,
  tidy,
  vectorNorm,
  type Tensor,
} from "../../src/torch/index.ts";
import { standingOf, type Standing } from "../../src/unlearn/level.ts";
import type { Prepared } from "../../src/unlearn/prepare.ts";
import type { Writer } from "../../src/unlearn/writers/types.ts";
import { writePatch } from "../../src/verbs/erase-output.ts";
import { openSession, peakRss, toolVersion } from "../../src/verbs/session.ts";
import { HELDOUT_CUT, readSet } from "../../src/verbs/sets.ts";
import { eraseEqually, servedBy, type Erased } from "./erasing.ts";
import { figuresOf, type Sets } from "./figures.ts";
import type { Plan } from "./plan.ts";
import { nameOf, type TargetSpec } from "./sets.ts";
import {
  cellPath,
  codeHash,
  landmarkPath,
  LANDMARKS,
  machineOf,
  readCell,
  writeCell,
  type Cell,
  type Landmark,
} from "./store.ts";
import { targetFiles, type TargetFiles } from "./target.ts";

export type Where = {
  readonly work: string;
  readonly device: string;
  readonly threads: number;
  /** Draws of the sampling attack for each text, LAMBADA passages. */
  readonly draws: number;
  readonly lambada: number;
};

export async function runCell(
  plan: Plan,
  where: Where,
  say: (line: string) => void,
): Promise<Cell> {
  const { target: spec, recipe, factor, seed } = plan;
  const { cell, began } = opened(spec, where, seed);
  const files = targetFiles(where.work, spec);
  const model = await loadModel(files.target);
  const original = await loadModel(files.original);
  const base = { ...cell, recipe: recipe.name, flags: recipe.flags, factor };
  try {
    const sets = await readSets(files, spec, model);
    const oracle = await oracleLevels(files, sets);
    const erased = await eraseEqually({
      model,
      original,
      forget: sets.forget,
      heldout: sets.heldout,
      oracle,
      flags: recipe.flags,
      factor,
      seed,
      say,
    });
    const seconds = (performance.now() - began) / 1000;
    const done = await measured(erased, model, sets, where, seed);
    const { status, settings, epochs, steps, gradientRange, course } = erased;
    const result: Cell = {
      ...base,
      status,
      lr: settings.lr,
      epochs,
      steps,
      gradient_range: gradientRange,
      course,
      ...done,
      seconds,
      peak_rss_bytes: peakRss(),
    };
    writeCell(cellPath(plan), result);
    return result;
  } catch (error) {
    const failed: Cell = {
      ...base,
      status: "failed",
      error: messageOf(error),
      seconds: (performance.now() - began) / 1000,
    };
    writeCell(cellPath(plan), failed);
    return failed;
  } finally {
    original.dispose();
    model.dispose();
  }
}

/** Original, target and oracle in the same columns, as far as they are not there yet. */
export async function runLandmarks(spec: TargetSpec, where: Where): Promise<void> {
  const missing = LANDMARKS.filter((l) => readCell(landmarkPath(spec, l)) === undefined);
  if (missing.length === 0) return;
  const { cell } = opened(spec, where, spec.seed);
  const files = targetFiles(where.work, spec);
  const model = await loadModel(files.target);
  try {
    const sets = await readSets(files, spec, model);
    for (const name of missing) {
      const began = performance.now();
      const other = name === "target" ? model : await loadModel(files[name]);
      try {
        const subject = { served: other, params: other.params };
        const figures = await figuresOf(subject, model, sets, {
          ...where,
          seed: spec.seed,
          attacks: true,
        });
        const seconds = (performance.now() - began) / 1000;
        writeCell(landmarkPath(spec, name), {
          ...cell,
          recipe: name,
          status: name,
          figures,
          seconds,
          peak_rss_bytes: peakRss(),
        });
      } finally {
        if (other !== model) other.dispose();
      }
    }
  } finally {
    model.dispose();
  }
}

function opened(spec: TargetSpec, { device, threads }: Where, seed: number) {
  const began = performance.now();
  const session = openSession({ seed, device, dtype: "float32", threads, memory: undefined });
  const cell = {
    schema: "unrecite/study/v1",
    target: nameOf(spec),
    recipe: "",
    flags: {},
    factor: 1,
    lr: null,
    seed,
    status: "target" as Landmark,
    error: null,
    code: codeHash(),
    machine: machineOf(session.device, session.threads),
    epochs: 0,
    steps: 0,
    seconds: 0,
    peak_rss_bytes: 0,
    gradient_range: null,
    selected: null,
    changed: null,
    patch_bytes: null,
    moved: null,
    course: [],
    figures: null,
  } satisfies Cell;
  return { cell: cell as Cell, began };
}

async function readSets(files: TargetFiles, spec: TargetSpec, model: Model): Promise<Sets> {
  const cut = { prefix: spec.tokens / 2, suffix: spec.tokens / 2 };
  return {
    forget: await readSet("forget", files.texts("forget"), model, cut),
    kept: await readSet("kept", files.texts("kept"), model, cut),
    unseen: await readSet("unseen", files.texts("unseen"), model, cut),
    heldout: await readSet("heldout", files.texts("heldout"), model, HELDOUT_CUT),
  };
}

async function oracleLevels(files: TargetFiles, { forget }: Sets): Promise<Standing> {
  const oracle = await loadModel(files.oracle);
  try {
    const stats = await tokenStats(oracle.arch, oracle.weights, forget.windows, { spread: false });
    return standingOf(stats, forget.windows);
  } finally {
    oracle.dispose();
  }
}

type Done = Pick<Cell, "figures" | "selected" | "changed" | "patch_bytes" | "moved">;

async function measured(
  { status, prepared, settings }: Erased,
  model: Model,
  sets: Sets,
  where: Where,
  seed: number,
): Promise<Done> {
  const { writer } = prepared;
  const { params, made } = mergedParameters(writer, model.params);
  try {
    const figures = await figuresOf(
      // what acts beside the weights leaves none of its own to round or to teach
      { served: servedBy(prepared), params: made.length === 0 ? undefined : params },
      model,
      sets,
      { ...where, seed, attacks: status === "reached" },
    );
    return {
      figures,
      selected: writer.selection.selected,
      moved: shareMoved(params, model.params),
      ...(await patchOf(prepared, model, settings)),
    };
  } finally {
    disposeAll(made);
    prepared.dispose();
  }
}

function mergedParameters(
  writer: Writer,
  params: Parameters,
): { params: Parameters; made: Tensor[] } {
  const out = new Map(params);
  const made: Tensor[] = [];
  for (const name of params.keys()) {
    const value = noGrad(() =>
      tidy(() => {
        const merged = writer.merged(name);
        return merged === undefined ? undefined : keep(merged);
      }),
    );
    if (value === undefined) continue;
    out.set(name, value);
    made.push(value);
  }
  return { params: out, made };
}

/** ‖θ - θ0‖ / ‖θ0‖ over the tensors that changed. */
function shareMoved(after: Parameters, before: Parameters): number {
  let [moved, whole] = [0, 0];
  for (const [name, value] of after) {
    const old = before.get(name)!;
    if (value === old) continue;
    moved += tidy(() => vectorNorm(sub(value, old)).item()) ** 2;
    whole += tidy(() => vectorNorm(old).item()) ** 2;
  }
  return whole === 0 ? 0 : Math.sqrt(moved / whole);
}

/** Writes the patch to see how large it is. */
async function patchOf(
  prepared: Prepared,
  model: Model,
  settings: object,
): Promise<{ changed: number; patch_bytes: number }> {
  const folder = mkdtempSync(join(tmpdir(), "unrecite-study-"));
  const about = {
    tool: toolVersion(),
    method: "study",
    settings: { ...settings },
    texts: [],
    base: { model: model.spec, tokenizer: model.tokenizer.sha256 },
  };
  try {
    const path = join(folder, prepared.writer.kind === "factors" ? "patch" : "patch.safetensors");
    const { changed } = await writePatch(path, { patchDtype: "float32" }, prepared, model, about);
    const files = statSync(path).isDirectory()
      ? readdirSync(path).map((f) => join(path, f))
      : [path];
    return { changed, patch_bytes: files.reduce((sum, f) => sum + statSync(f).size, 0) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
