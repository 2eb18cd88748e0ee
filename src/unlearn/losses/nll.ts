/** @file Negative log-likelihood: what `memorize` minimises, and the direction of remembering in the contrastive score. */
import { crossEntropy } from "./rows.ts";
import type { LogitLoss } from "../../models/index.ts";

/** L = -ln p(y); dL/dz = p - onehot(y). Limits: 0 at certainty, ln V at uniform. */
export const nll: LogitLoss = (logits, { targets }) => crossEntropy(logits, targets);
