/**
 * @file Why directions win: how much of each set the chosen directions hear, on the quickstart's target. Energy of a direction u on
 * a set: E[(uᵀx)²] over the inputs x of a layer, relative to that on the texts that u was chosen for. Low on kept texts: what is
 * written there reaches them little. The default's groups of texts, one group, and as peer the leading directions of the forget set
 * without a contrast.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { environmentError } from "../src/base/errors.ts";
import { loadModel, type Model } from "../src/models/index.ts";
import { add, divScalar, eye, matmul, mul, sum, tidy, type Tensor } from "../src/torch/index.ts";
import { methodNamed } from "../src/unlearn/methods/index.ts";
import { groupedDirections, groupsOf } from "../src/unlearn/select/directions.ts";
import { eachBlockMoments } from "../src/unlearn/select/moments.ts";
import { selfTexts } from "../src/unlearn/self-text.ts";
import { modelParts } from "../src/verbs/erase.ts";
import { readSet } from "../src/verbs/sets.ts";
import { median, type Row } from "./types.ts";

const folder = join("runs", "quickstart");
const CUT = { prefix: 32, suffix: 32 };
const THIRDS = ["lower", "middle", "upper"] as const;
const SETS = ["kept", "own samples"] as const;
const { rank, ridge, groups: GROUPS } = methodNamed("emso").settings;

/** Mean energy on each of SETS, of the directions of one block's input. */
type Heard = readonly number[];
type Place = Readonly<Record<"plain" | "one" | "many", Heard>> & { readonly place: string };

export async function energy(): Promise<Row[]> {
  if (!existsSync(join(folder, "target"))) {
    throw environmentError(`energy: expected the quickstart's target in ${folder}, got none`, {
      wayOut: "run npm run quickstart first",
    });
  }
  const model = await loadModel(join(folder, "target"));
  try {
    const heard = await heardInBlocks(model);
    const places = [...new Set(heard.map((h) => h.place))];
    return places.flatMap((place) =>
      SETS.flatMap((set, s) =>
        (["many", "one"] as const).map((choice) => {
          const of = (c: typeof choice | "plain") =>
            median(heard.filter((h) => h.place === place).map((h) => h[c][s]!));
          const [value, peer] = [of(choice), of("plain")];
          return {
            name: `energy: ${set}, ${place}, ${choice === "one" ? "one group" : `${GROUPS} groups`}`,
            value,
            unit: "x own texts",
            peer: { name: "no contrast", value: peer },
            ratio: value / peer,
            bound: null,
            bar: "ratio < 1",
            pass: value < peer,
          };
        }),
      ),
    );
  } finally {
    model.dispose();
  }
}

async function heardInBlocks(model: Model): Promise<Place[]> {
  const { arch, weights, start } = modelParts(model);
  const read = async (name: string) =>
    (await readSet(name, join(folder, `${name}.jsonl`), model, CUT)).windows;
  const forget = await read("forget");
  const idsOf = async (name: string) => (await read(name)).map((w) => w.ids);
  const samples = (seed: number) =>
    selfTexts(arch, weights, {
      seed,
      start,
      vocab: arch.vocab,
      avoid: forget.map((w) => w.ids),
    });
  // the directions are contrasted with the samples of one seed, and heard on those of another
  const sets = [await idsOf("kept"), await samples(1)];
  const corpora = [await samples(0), ...sets, ...groupsOf(forget, GROUPS)];
  const found: Place[] = [];
  const layerOf = new Map(arch.linears.map((l) => [l.input, l]));
  await eachBlockMoments(arch, weights, corpora, (block, moments) => {
    const third = THIRDS[Math.floor((3 * block) / arch.layers)]!;
    for (const [input, [ordinary, ...rest]] of moments) {
      const { kind, inFeatures, outFeatures } = layerOf.get(input)!;
      if (kind !== "mlp") continue;
      const [on, groups] = [rest.slice(0, SETS.length), rest.slice(SETS.length)];
      const all = divScalar(
        groups.reduce((a, b) => add(a, b)),
        groups.length,
      );
      const heardBy = (quiet: Tensor, parts: readonly Tensor[]) =>
        tidy(() => energyOn(on, groupedDirections(quiet, parts, rank, ridge)));
      found.push({
        place: `${inFeatures < outFeatures ? "into" : "inside"} MLPs, ${third} third`,
        plain: heardBy(eye(inFeatures), [all]),
        one: heardBy(ordinary!, [all]),
        many: heardBy(ordinary!, groups),
      });
    }
  });
  return found;
}

/** Mean of uᵀ A u over the columns u of U (d, r), for each moment A; they have 1 on the texts they were chosen for. */
const energyOn = (moments: readonly Tensor[], u: Tensor): Heard =>
  moments.map((a) => sum(mul(u, matmul(a, u))).item() / u.shape[1]!);
