/** @file What a dial is made of: θ0, the forget set and, on request, ordinary text. Made once; the same when a run is resumed. */
import type { Window } from "../../eval/index.ts";
import type { Dial } from "../loop-types.ts";
import type { MethodSettings } from "../methods/types.ts";
import type { SelectInput } from "../select/types.ts";
import type { Writer } from "../writers/types.ts";

export type DialInput = SelectInput & {
  /** At θ0; the dial moves its variables. */
  readonly writer: Writer;
  readonly settings: MethodSettings;
  /** Text to keep: what `--retain` names. */
  readonly retained: () => Promise<readonly Window[]>;
};

/** `dispose` frees what the dial turns between. */
export type MadeDial = { readonly dial: Dial; readonly dispose: () => void };
export type MakeDial = (input: DialInput) => Promise<MadeDial>;
