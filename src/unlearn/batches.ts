/** @file Which windows are trained in which step between two measurements. */
import { shuffled } from "../base/random.ts";

/** Share of a full batch up to which texts are passed over at least twice: measuring all takes longer than their steps. */
const FEW = 0.5;

type Options = {
  /** Windows per step. */
  readonly batch: number;
  /** How often each window is shown. */
  readonly passes: number;
  /** Windows of a full batch: `batch`, or all there are. */
  readonly full: number;
  readonly seed: number;
  readonly epoch: number;
};

/** The windows of each step of an epoch, each pass in a seeded order of its own. */
export function batchesOf(members: readonly number[], o: Options): number[][] {
  const few = members.length <= FEW * o.full;
  const passes = few ? Math.max(2, o.passes) : o.passes;
  return Array.from({ length: passes }, (_, pass) => {
    const order = shuffled(`erase ${o.seed} ${o.epoch} ${pass}`, members);
    return Array.from({ length: Math.ceil(order.length / o.batch) }, (_, k) =>
      order.slice(k * o.batch, (k + 1) * o.batch),
    );
  }).flat();
}
