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
  sub,
  tidy,
  toDType,
  zeros,
  type Tensor,
} from "../../torch/index.ts";
import { addMoment_ } from "./subspace.ts";

export type Rows = readonly (readonly number[])[];

/** Rows, and the weights to compare with under which they run as well. */
export type Corpus = { readonly rows: Rows; readonly under?: Weights | undefined };

/** E[x xᵀ] (d, d) of the inputs x that a corpus makes, and of what its other weights make different in them, x' - x. */
export type Moments = { readonly inputs: Tensor; readonly errors?: Tensor };

/** Per input of the block (LinearSpec.input): the moments on each corpus, in the order given. Freed after the visit. */
export type BlockMoments = ReadonlyMap<string, readonly Moments[]>;

type Options = {
  batchSize?: number;
  /** Blocks to visit; the others are only run. */
  wanted?: (block: number) => boolean;
  signal?: AbortSignal | undefined;
  onBlock?: ((done: number, total: number) => void) | undefined;
};

/** Visits every block with the moments of its inputs on each corpus. Rows of one corpus are equally long or padded away. */
export async function eachBlockMoments(
  arch: Architecture,
  w: Weights,
  corpora: readonly Corpus[],
  visit: (block: number, moments: BlockMoments) => void,
  { batchSize = 16, wanted = () => true, signal, onBlock }: Options = {},
): Promise<void> {
  const flows = corpora.map((corpus) =>
    batchesOf(corpus.rows, batchSize).map((rows) => start(arch, w, rows, corpus.under)),
  );
  try {
    for (let block = 0; block < arch.layers; block++) {
      tidy(() => {
        if (!wanted(block)) {
          for (const flow of flows.flat()) advance(arch, w, block, flow);
          return;
        }
        const moments = new Map<string, Moments[]>();
        for (const batches of flows) {
          for (const [input, found] of blockMoments(arch, w, block, batches)) {
            moments.set(input, [...(moments.get(input) ?? []), found]);
          }
        }
        noGrad(() => visit(block, moments));
      });
      onBlock?.(block + 1, arch.layers);
      await breathe(signal);
    }
  } finally {
    disposeAll(flows.flat().flatMap((f) => [f.x, ...(f.twin === undefined ? [] : [f.twin.x])]));
  }
}

/** Hidden states of a batch between two blocks, and those of its twin under other weights. */
type Flow = { rows: Rows; x: Tensor; twin?: { weights: Weights; x: Tensor } };

const batchesOf = (corpus: Rows, size: number): Rows[] => {
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

function start(arch: Architecture, w: Weights, rows: Rows, under: Weights | undefined): Flow {
  const embedded = () =>
    noGrad(() =>
      tidy(() => {
        const batch = toBatch(rows);
        return keep(arch.embed(w, batch, arch.context(batch, w.get(arch.head).dtype)));
      }),
    );
  return {
    rows,
    x: embedded(),
    ...(under !== undefined && { twin: { weights: under, x: embedded() } }),
  };
}

/** Runs one block on the batches of a corpus. */
function blockMoments(
  arch: Architecture,
  w: Weights,
  block: number,
  flows: readonly Flow[],
): Map<string, Moments> {
  const compared = flows.some((flow) => flow.twin !== undefined);
  const sums = new Map(
    [...inputsOf(arch, block)].map(([input, d]) => [
      input,
      { inputs: zeros([d, d]), ...(compared && { errors: zeros([d, d]) }) },
    ]),
  );
  let rows = 0;
  for (const flow of flows) {
    rows += advance(arch, w, block, flow, (input, x, other) => {
      const { inputs, errors } = sums.get(input)!;
      addMoment_(inputs, x);
      if (errors !== undefined && other !== undefined) addMoment_(errors, sub(other, x));
    });
  }
  const mean = (sum: Tensor) => divScalar(sum, rows);
  return new Map(
    [...sums].map(([input, { inputs, errors }]) => [
      input,
      { inputs: mean(inputs), ...(errors !== undefined && { errors: mean(errors) }) },
    ]),
  );
}

type Show = (input: string, x: Tensor, other: Tensor | undefined) => void;

/** Runs one block on one batch; shows each distinct input once, as (rows, d) float32, beside its twin's; returns the number of rows. */
function advance(arch: Architecture, w: Weights, block: number, flow: Flow, show?: Show): number {
  const { rows, twin } = flow;
  tidy(() => {
    const others = new Map<string, Tensor>();
    const hold = show && ((input: string, x: Tensor) => void others.set(input, keep(x)));
    const look = show && ((input: string, x: Tensor) => show(input, x, others.get(input)));
    try {
      if (twin !== undefined) {
        twin.x = through(arch, twin.weights, block, { rows, x: twin.x }, hold);
      }
      flow.x = through(arch, w, block, flow, look);
    } finally {
      disposeAll(others);
    }
  });
  return rows.length * rows[0]!.length;
}

function through(
  arch: Architecture,
  w: Weights,
  block: number,
  { rows, x: before }: Pick<Flow, "rows" | "x">,
  show: ((input: string, x: Tensor) => void) | undefined,
): Tensor {
  const inputOf = new Map(arch.linears.map((l) => [l.name, l.input]));
  const after = noGrad(() =>
    tidy(() => {
      const seen = new Set<string>();
      const eyes = watched(w, (name, x) => {
        const input = inputOf.get(name)!;
        if (show === undefined || seen.has(input)) return;
        seen.add(input);
        tidy(() => show(input, toDType(reshape(x, [-1, x.shape.at(-1)!]), "float32")));
      });
      const batch = toBatch(rows);
      return keep(arch.block(eyes, block, before, arch.context(batch, before.dtype)));
    }),
  );
  before.dispose();
  return after;
}

/** Inputs of a block and their width. */
function inputsOf(arch: Architecture, block: number): Map<string, number> {
  const own = arch.linears.filter((l: LinearSpec) => l.block === block);
  return new Map(own.map((l) => [l.input, l.inFeatures]));
}
