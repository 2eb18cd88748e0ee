/**
 * @file Contrastive decoding (Eldan & Russinovich 2023, arXiv 2310.02238; Li et al. 2023, arXiv 2210.15097): tokens that a
 * reinforced model puts higher are lowered when served.
 */
import { COMMON, type Method } from "./types.ts";

/**
 * z' = z - c relu(z_m - z), z_m of θ0 fine-tuned further on the texts; `lr` is a notch of c. The fine-tuning writes, like `emso`,
 * in directions that only the texts excite: on other text both models say the same and the rule is idle. The patch holds it. One c
 * serves all texts, so the slowest sets it and the others go beyond their target.
 */
export const contrastiveDecoding: Method = {
  name: "contrastive_decoding",
  summary:
    "tokens that fine-tuning on the texts would raise are lowered when served, by both models at once; weights untouched",
  origin: "paper",
  settings: {
    ...COMMON,
    writes: "decoding",
    loss: "ga",
    select: "directions",
    scope: "linear",
    frozen: 0.5,
    dial: "contrastive_decoding",
    tuneLr: 1e-4,
    lr: 0.5,
  },
};
