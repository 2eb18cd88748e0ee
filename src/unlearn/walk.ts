/**
 * @file How the loop moves from one measurement to the next: by steps of training, or by one notch of a dial. Back-off,
 * interpolation and resuming are the loop's and know no difference.
 */
import { dialWalk } from "./dial.ts";
import type { LoopInput, LoopState, Walk } from "./loop-types.ts";
import { trainingWalk } from "./train-walk.ts";

export const walkOf = (input: LoopInput, state: LoopState): Walk =>
  input.dial === undefined ? trainingWalk(input, state) : dialWalk(input.dial, input, state);
