/** @file Which parameters a method may change; stated in every result. */
import type { Architecture, LinearSpec, Part } from "../models/index.ts";

export const SCOPES = ["all", "no-embeddings", "linear", "mlp", "attention", "mlp-out"] as const;
export type Scope = (typeof SCOPES)[number];

/** A parameter and the part of the model whose graph it belongs to. */
export type Eligible = { readonly name: string; readonly part: Part };

/**
 * The parameters in scope, in the order in which the model uses them; linear layers without their biases. `frozen`: share of the
 * blocks, from the first on, that stay as they are, with the embedding before them; `first`: the first block that does not.
 */
export function eligibleParameters(
  arch: Architecture,
  scope: Scope,
  {
    frozen = 0,
    first = Math.floor(frozen * arch.layers),
  }: { frozen?: number; first?: number } = {},
): Eligible[] {
  const list: Eligible[] = [];
  const others = scope === "all" || scope === "no-embeddings";
  if (scope === "all" && first === 0) {
    list.push(...arch.parts.embed.map((name) => ({ name, part: "embed" as const })));
  }
  for (let block = first; block < arch.layers; block++) {
    if (others) list.push(...arch.parts.blocks[block]!.map((name) => ({ name, part: block })));
    for (const l of arch.linears) {
      if (l.block !== block || !inScope(arch, l, scope)) continue;
      list.push({ name: `${l.name}.weight`, part: block });
      if (others && arch.shapes.has(`${l.name}.bias`)) {
        list.push({ name: `${l.name}.bias`, part: block });
      }
    }
  }
  if (others) list.push(...arch.parts.final.map((name) => ({ name, part: "final" as const })));
  if (scope === "all" && !arch.parts.embed.includes(arch.head)) {
    list.push({ name: arch.head, part: "final" });
  }
  return list;
}

/** mlp-out: the last of a block's MLP layers, which writes to the residual stream. */
function inScope(arch: Architecture, l: LinearSpec, scope: Scope): boolean {
  if (scope === "mlp" || scope === "attention") return l.kind === scope;
  if (scope !== "mlp-out") return true;
  return l === arch.linears.filter((x) => x.block === l.block && x.kind === "mlp").at(-1);
}
