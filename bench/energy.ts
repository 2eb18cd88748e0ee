/**
 * @file Why directions win, and where they stop: how much of each set the chosen directions hear, on the quickstart's target, or in
 * the folder that UNRECITE_TARGET names (target, forget.jsonl, kept.jsonl, as the study leaves them in runs/study). Energy of a
 * direction u on a set: E[(uᵀx)²] over the inputs x of a layer, relative to that on the texts that u was chosen for. Low on kept
 * texts: what is written there reaches them little. A text to forget hears its own group's directions and the others' too: what a
 * kept text hears of what such a text hears is the last row of a place. The default's groups of texts, one group, and as peer the
 * leading directions of the forget set without a contrast.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { environmentError } from "../src/base/errors.ts";
import { meanOf, type Window } from "../src/eval/index.ts";
import { loadModel, type Model } from "../src/models/index.ts";
import { add, divScalar, eye, matmul, mul, sum, tidy, type Tensor } from "../src/torch/index.ts";
import { methodNamed } from "../src/unlearn/methods/index.ts";
import { groupedDirections, groupsOf } from "../src/unlearn/select/directions.ts";
import { eachBlockMoments, type MomentsVisit } from "../src/unlearn/select/moments.ts";
import { kindred, selfTexts } from "../src/unlearn/self-text.ts";
import { modelParts } from "../src/verbs/erase-run.ts";
import { readSet } from "../src/verbs/sets.ts";
import { median, type Row } from "./types.ts";

const CUT = { prefix: 32, suffix: 32 };
const THIRDS = ["lower", "middle", "upper"] as const;
const { rank, ridge, groups: GROUPS, samples: SAMPLES } = methodNamed("emso").settings;

type Choice = "many" | "one";
const CHOICES = [
  ["many", `${GROUPS} groups`],
  ["one", "one group"],
] as const;

const rowOf = (name: string, unit: string, value: number, peer: number, barred: boolean): Row => ({
  name: `energy: ${name}`,
  value,
  unit,
  peer: { name: "no contrast", value: peer },
  ratio: value / peer,
  bound: null,
  bar: barred ? "ratio < 1" : "reported",
  pass: !barred || value < peer,
});

/** Mean energy of the directions of one block's input on each set. */
type Heard = { readonly kept: number; readonly samples: number; readonly forget: number };
type Place = Readonly<Record<"plain" | Choice, Heard>> & { readonly place: string };

export async function energy(
  folder = process.env["UNRECITE_TARGET"] ?? join("runs", "quickstart"),
): Promise<Row[]> {
  if (!existsSync(join(folder, "target"))) {
    throw environmentError(`energy: expected a target in ${folder}, got none`, {
      wayOut: "run npm run quickstart first, or name a folder: UNRECITE_TARGET=DIR",
    });
  }
  const model = await loadModel(join(folder, "target"));
  try {
    const windowsOf = async (name: string) =>
      (await readSet(name, join(folder, `${name}.jsonl`), model, CUT)).windows;
    const [forget, kept] = [await windowsOf("forget"), await windowsOf("kept")];
    const heard = await heardInBlocks(model, forget, kept);
    const places = [...new Set(heard.map((h) => h.place))];
    const rows = places.flatMap((place) => {
      const here = heard.filter((h) => h.place === place);
      const medianOf = (choice: Choice | "plain", value: (h: Heard) => number) =>
        median(here.map((h) => value(h[choice])));
      const share = (h: Heard) => h.kept / h.forget;
      const [all, plain] = [medianOf("many", share), medianOf("plain", share)];
      return [
        ...CHOICES.flatMap(([choice, groups]) =>
          (["kept", "samples"] as const).map((set) => {
            const of = (c: Choice | "plain") => medianOf(c, (h) => h[set]);
            const name = `${set === "kept" ? set : "own samples"}, ${place}, ${groups}`;
            return rowOf(name, "x own texts", of(choice), of("plain"), true);
          }),
        ),
        rowOf(`kept, ${place}, all together`, "x a text to forget", all, plain, false),
      ];
    });
    return [sharedRow(kept, forget), ...rows];
  } finally {
    model.dispose();
  }
}

/** What kept texts have in common with those to forget, by a measure that needs no model: mean share of distinct tokens. */
function sharedRow(kept: readonly Window[], forget: readonly Window[]): Row {
  const known = new Set(forget.flatMap((w) => w.ids));
  const shares = kept.map((w) => {
    const own = [...new Set(w.ids)];
    return own.filter((id) => known.has(id)).length / own.length;
  });
  return {
    name: "energy: tokens of a kept text that stand in some text to forget",
    value: meanOf(shares).value,
    unit: "share",
    peer: null,
    ratio: null,
    bound: null,
    bar: "reported",
    pass: true,
  };
}

async function heardInBlocks(
  model: Model,
  forget: readonly Window[],
  kept: readonly Window[],
): Promise<Place[]> {
  const { arch, weights, start } = modelParts(model);
  const texts = forget.map((w) => w.ids);
  const samples = (seed: number) =>
    selfTexts(arch, weights, { seed, start, vocab: arch.vocab, avoid: texts });
  // the directions are contrasted with the samples of one seed, and heard on those of another
  const sets = [kept.map((w) => w.ids), await samples(1)];
  const kin = await kindred(arch, weights, forget, { each: SAMPLES, seed: 0 });
  const corpora = [[...(await samples(0)), ...kin], ...sets, ...groupsOf(forget, GROUPS)];
  const found: Place[] = [];
  const layerOf = new Map(arch.linears.map((l) => [l.input, l]));
  const visit: MomentsVisit = (block, moments) => {
    const third = THIRDS[Math.floor((3 * block) / arch.layers)]!;
    for (const [input, [ordinary, ...rest]] of moments) {
      const { inFeatures, outFeatures } = layerOf.get(input)!;
      const [onKept, onSamples, ...groups] = rest;
      const all = divScalar(
        groups.reduce((a, b) => add(a, b)),
        groups.length,
      );
      const heardBy = (quiet: Tensor, parts: readonly Tensor[]) =>
        tidy(() => {
          const u = groupedDirections(quiet, parts, rank, ridge);
          return {
            kept: energyOn(onKept!, u),
            samples: energyOn(onSamples!, u),
            forget: energyOn(all, u),
          };
        });
      found.push({
        place: `${inFeatures < outFeatures ? "into" : "inside"} MLPs, ${third} third`,
        plain: heardBy(eye(inFeatures), [all]),
        one: heardBy(ordinary!, [all]),
        many: heardBy(ordinary!, groups),
      });
    }
  };
  await eachBlockMoments(arch, weights, corpora, visit, {
    wanted: (input) => layerOf.get(input)!.kind === "mlp",
  });
  return found;
}

/** Mean of uᵀ A u over the columns u of U (d, r); it is 1 on the texts that they were chosen for. */
const energyOn = (moment: Tensor, u: Tensor): number =>
  sum(mul(u, matmul(moment, u))).item() / u.shape[1]!;
