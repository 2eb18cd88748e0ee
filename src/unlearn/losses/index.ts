/** @file The erasing losses, by name. Adding one: its file, a row here; the contract tests pick it up. */
import { ceU } from "./ce_u.ts";
import { em } from "./em.ts";
import { ga } from "./ga.ts";
import { labelSmoothing } from "./label_smoothing.ts";
import { me } from "./me.ts";
import { natural } from "./natural.ts";
import { npo } from "./npo.ts";
import { pdu } from "./pdu.ts";
import { rmu } from "./rmu.ts";
import { satimp } from "./satimp.ts";
import { simnpo } from "./simnpo.ts";
import type { ErasingLoss } from "./types.ts";
import { undial } from "./undial.ts";
import { wga } from "./wga.ts";

export const LOSSES = {
  ce_u: ceU,
  em,
  ga,
  label_smoothing: labelSmoothing,
  me,
  natural,
  npo,
  pdu,
  rmu,
  satimp,
  simnpo,
  undial,
  wga,
} satisfies Record<string, ErasingLoss>;
export type LossName = keyof typeof LOSSES;

export { nll } from "./nll.ts";
export * from "./types.ts";
