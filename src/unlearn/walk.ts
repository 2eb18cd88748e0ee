/**
 * @file How the loop moves from one measurement to the next: by steps of training, or by one notch of a dial. Back-off,
 * interpolation and resuming are the loop's and know no difference.
 */
import type { LoopState } from "./checkpoint.ts";
import { dialWalk } from "./dial.ts";
import type { LoopInput } from "./erase-loop.ts";
import type { Snapshot } from "./snapshot.ts";
import { trainingWalk } from "./train-walk.ts";

export type Walk = {
  /** One epoch from the loop's place on, saving on the way; `inside` is the last snapshot inside the budget. */
  readonly advance: (inside: Snapshot) => Promise<void>;
  readonly snapshot: () => Snapshot;
  /** Goes to a snapshot, or to the point `t` of the way from it to `to`. */
  readonly restore: (from: Snapshot, to?: Snapshot, t?: number) => void;
  /** After a step back: what was gathered on the way is forgotten. */
  readonly forget: () => void;
};

export const walkOf = (input: LoopInput, state: LoopState): Walk =>
  input.dial === undefined ? trainingWalk(input, state) : dialWalk(input.dial, input, state);
