/**
 * @file Second moments E[x xᵀ] of the inputs of every linear layer, block by block: hidden states of all texts wait between
 * two blocks, so only one block's matrices exist at a time.
 */
import {
  toBatch,
  watched,
  breathe,
  type Architecture,
  type LinearSpec,
  type Weights,
} from "../../models/index.ts";
import {
  disposeAll,
  divScalar,
  keep,
  noGrad,
  reshape,
  tidy,
  toDType,
  zeros,
  type Tensor,
} from "../../torch/index.ts";
import { addMoment_ } from "./subspace.ts";

export type Corpus = readonly (readonly number[])[];

/** Per input of the block (LinearSpec.input): E[x xᵀ] (d, d) on each corpus, in the order given. Freed after the visit. */
export type BlockMoments = ReadonlyMap<string, readonly Tensor[]>;

export type MomentsVisit = (block: number, moments: BlockMoments) => void;

type Options = {
  batchSize?: number;
  /** Inputs (LinearSpec.input) whose moments are asked for; a block without one is only run. */
  wanted?: (input: string) => boolean;
  signal?: AbortSignal | undefined;
  onBlock?: ((done: number, total: number) => void) | undefined;
};

/** Visits every block with the moments of its inputs on each corpus. Rows of one corpus are equally long or padded away. */
export async function eachBlockMoments(
  arch: Architecture,
  w: Weights,
  corpora: readonly Corpus[],
  visit: MomentsVisit,
  { batchSize = 16, wanted = () => true, signal, onBlock }: Options = {},
): Promise<void> {
  const flows = corpora.map((corpus) =>
    batchesOf(corpus, batchSize).map((rows) => start(arch, w, rows)),
  );
  try {
    for (let block = 0; block < arch.layers; block++) {
      tidy(() => {
        const inputs = [...inputsOf(arch, block)].filter(([name]) => wanted(name));
        if (inputs.length === 0) {
          for (const flow of flows.flat()) advance(arch, w, block, flow);
          return;
        }
        const moments = new Map(
          inputs.map(([name, d]) => [name, corpora.map(() => zeros([d, d]))]),
        );
        flows.forEach((batches, c) => {
          let rows = 0;
          for (const flow of batches) {
            rows += advance(arch, w, block, flow, (input, x) => {
              const sums = moments.get(input);
              if (sums !== undefined) addMoment_(sums[c]!, x);
            });
          }
          for (const list of moments.values()) list[c] = divScalar(list[c]!, rows);
        });
        noGrad(() => visit(block, moments));
      });
      onBlock?.(block + 1, arch.layers);
      await breathe(signal);
    }
  } finally {
    disposeAll(flows.flat().map((f) => f.x));
  }
}

type Flow = { rows: Corpus; x: Tensor };

const batchesOf = (corpus: Corpus, size: number): Corpus[] => {
  const sorted = [...corpus].sort((a, b) => a.length - b.length); // a batch's rows must be equally long: padding would count
  const groups: number[][][] = [];
  for (const row of sorted) {
    const last = groups.at(-1);
    if (last !== undefined && last[0]!.length === row.length && last.length < size) {
      last.push([...row]);
    } else groups.push([[...row]]);
  }
  return groups;
};

function start(arch: Architecture, w: Weights, rows: Corpus): Flow {
  return noGrad(() =>
    tidy(() => {
      const batch = toBatch(rows);
      return { rows, x: keep(arch.embed(w, batch, arch.context(batch, w.get(arch.head).dtype))) };
    }),
  );
}

/** Runs one block on one batch; shows each distinct input once, as (rows, d) float32; returns the number of rows. */
function advance(
  arch: Architecture,
  w: Weights,
  block: number,
  flow: Flow,
  show?: (input: string, x: Tensor) => void,
): number {
  const inputOf = new Map(arch.linears.map((l) => [l.name, l.input]));
  const before = flow.x;
  flow.x = noGrad(() =>
    tidy(() => {
      const seen = new Set<string>();
      const eyes = watched(w, (name, x) => {
        const input = inputOf.get(name)!;
        if (show === undefined || seen.has(input)) return;
        seen.add(input);
        tidy(() => show(input, toDType(reshape(x, [-1, x.shape.at(-1)!]), "float32")));
      });
      const batch = toBatch(flow.rows);
      return keep(arch.block(eyes, block, before, arch.context(batch, before.dtype)));
    }),
  );
  before.dispose();
  return flow.rows.length * flow.rows[0]!.length;
}

/** Inputs of a block and their width. */
function inputsOf(arch: Architecture, block: number): Map<string, number> {
  const own = arch.linears.filter((l: LinearSpec) => l.block === block);
  return new Map(own.map((l) => [l.input, l.inFeatures]));
}
