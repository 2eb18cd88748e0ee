/** @file emso, the default: entropy raised to its natural level, written in contrastive directions (METHOD.md section 1c). */
import { COMMON, type Method } from "./types.ts";

export const emso: Method = {
  name: "emso",
  summary:
    "entropy to its natural level, written in directions that only the forget set excites (default)",
  origin: "ours",
  settings: {
    ...COMMON,
    loss: "natural",
    select: "directions",
    scope: "mlp",
    groups: 8,
    samples: 8,
    rounding: "4",
    lr: 1e-4,
    passes: 4,
  },
};
