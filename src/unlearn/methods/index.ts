/** @file The methods, by name. Adding one: its file, a row here; the contract tests pick it up. */
import { unknownName } from "../../base/errors.ts";
import { balancedSubnet } from "./balanced_subnet.ts";
import { ceU } from "./ce_u.ts";
import { contrastiveDecoding } from "./contrastive_decoding.ts";
import { dpDecoding } from "./dp_decoding.ts";
import { dpo } from "./dpo.ts";
import { em } from "./em.ts";
import { emsoPaper } from "./emso-paper.ts";
import { emso } from "./emso.ts";
import { ga } from "./ga.ts";
import { graddiff } from "./graddiff.ts";
import { kl } from "./kl.ts";
import { labelSmoothing } from "./label_smoothing.ts";
import { me } from "./me.ts";
import { npo } from "./npo.ts";
import { pdu } from "./pdu.ts";
import { rmu } from "./rmu.ts";
import { satimp } from "./satimp.ts";
import { sga } from "./sga.ts";
import { simnpo } from "./simnpo.ts";
import { ssd } from "./ssd.ts";
import { spul } from "./spul.ts";
import { taskArithmetic } from "./task_arithmetic.ts";
import type { Method, MethodSettings } from "./types.ts";
import { undial } from "./undial.ts";
import { wga } from "./wga.ts";

export const METHODS = {
  emso,
  "emso-paper": emsoPaper,
  em,
  ga,
  graddiff,
  kl,
  dpo,
  npo,
  undial,
  simnpo,
  me,
  label_smoothing: labelSmoothing,
  ce_u: ceU,
  wga,
  satimp,
  pdu,
  spul,
  dp_decoding: dpDecoding,
  contrastive_decoding: contrastiveDecoding,
  task_arithmetic: taskArithmetic,
  ssd,
  sga,
  rmu,
  balanced_subnet: balancedSubnet,
} satisfies Record<string, Method>;
export type MethodName = keyof typeof METHODS;

export function methodNamed(name: string): Method {
  if (!Object.hasOwn(METHODS, name)) throw unknownName("method", name, Object.keys(METHODS));
  return METHODS[name as MethodName];
}

/** Whether a method works with text to keep: it cannot do without, it takes it where it is given, or it has no use for it. */
export function retainTerm({ companion, dial }: MethodSettings): "needed" | "taken" | "refused" {
  if (/^(nll|kl|anchor)$/.test(companion) || dial === "ssd") return "needed";
  return companion === "dpo" || dial !== "none" ? "refused" : "taken";
}

export type { Method, MethodSettings } from "./types.ts";
