/** @file The erasing losses, by name. Adding one: its file, a row here; the contract tests pick it up. */
import { em } from "./em.ts";
import { ga } from "./ga.ts";
import { natural } from "./natural.ts";
import { npo } from "./npo.ts";
import type { ErasingLoss } from "./types.ts";
import { undial } from "./undial.ts";

export const LOSSES = { em, ga, natural, npo, undial } satisfies Record<string, ErasingLoss>;
export type LossName = keyof typeof LOSSES;

export { nll } from "./nll.ts";
export * from "./types.ts";
