/** @file The strength of a decoding rule as a dial: λ = e^-s of DP decoding, c of contrastive decoding (models/rules.ts). */
import type { DecodingWriter } from "../writers/decoding.ts";
import type { MakeDial } from "./types.ts";

export const decoding: MakeDial = ({ writer }) => {
  const { rule, turn } = writer as DecodingWriter;
  return Promise.resolve({ dial: { name: rule, set: turn }, dispose: () => undefined });
};
