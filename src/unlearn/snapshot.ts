/** @file Copies of what an optimiser moves, to go back to or to interpolate between. */
import {
  add,
  copy_,
  disposeAll,
  keep,
  mulScalar,
  noGrad,
  tidy,
  clone,
  type Tensor,
} from "../torch/index.ts";
import type { Writer } from "./writers/types.ts";

export type Snapshot = ReadonlyMap<string, Tensor>;

export const takeSnapshot = (writer: Writer): Snapshot =>
  noGrad(
    () => new Map([...writer.variables].map(([name, v]) => [name, tidy(() => keep(clone(v)))])),
  );

/** Puts a snapshot back, or the point `t` of the way from it to `to`. */
export function restore(writer: Writer, from: Snapshot, to?: Snapshot, t = 1): void {
  noGrad(() => {
    for (const [name, variable] of writer.variables) {
      tidy(() => {
        const start = from.get(name)!;
        const point =
          to === undefined ? start : add(mulScalar(start, 1 - t), mulScalar(to.get(name)!, t));
        copy_(variable, point);
      });
    }
  });
  writer.publish();
}

export const dropSnapshot = (snapshot: Snapshot | undefined): void => disposeAll(snapshot);
