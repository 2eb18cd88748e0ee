/**
 * @file Methods that do not train between measurements: one strength is turned up until the goal is reached. What stands at a
 * strength depends on θ0 and the strength alone, so a snapshot is one number.
 */
import { breathe } from "../models/index.ts";
import { keep, tensor, tidy } from "../torch/index.ts";
import type { Dial, LoopInput, LoopState, Walk } from "./loop-types.ts";
import type { Snapshot } from "./snapshot.ts";

const STRENGTH = "strength";

/** Each epoch turns the dial by one notch, lr x state.scale: a back-off halves it. */
export function dialWalk(dial: Dial, input: LoopInput, state: LoopState): Walk {
  const turn = (strength: number) => {
    state.strength = strength;
    dial.set(strength);
  };
  const read = (snapshot: Snapshot) => snapshot.get(STRENGTH)!.item();
  turn(state.strength); // resumed: where it stood
  return {
    async advance(inside) {
      const { checkpointing, signal, onEvent, writer, optimiser } = input;
      if (state.next > 0) return; // resumed between the notch and its measurement
      const began = performance.now();
      const notch = input.lr * state.scale;
      turn(state.strength + notch);
      state.step++;
      state.next++;
      const { strength, step, epoch } = state;
      const seconds = (performance.now() - began) / 1000;
      onEvent?.({ type: "notch", step, epoch, dial: dial.name, strength, notch, seconds });
      if (checkpointing && (step % checkpointing.every === 0 || signal?.aborted === true)) {
        await checkpointing.save(state, writer, optimiser, inside);
      }
      await breathe(signal);
    },
    snapshot: () =>
      new Map([[STRENGTH, tidy(() => keep(tensor([state.strength], { dtype: "float64" })))]]),
    restore(from, to, t = 1) {
      const start = read(from);
      turn(to === undefined ? start : (1 - t) * start + t * read(to));
    },
    forget: () => undefined,
  };
}
