/** @file Activations by the names of config.json's `hidden_act` / `activation_function`. */
import { unknownName } from "../base/errors.ts";
import { gelu, relu, silu, type Tensor } from "../torch/index.ts";

const ACTIVATIONS: Record<string, (x: Tensor) => Tensor> = {
  silu,
  swish: silu,
  relu,
  gelu: (x) => gelu(x),
  gelu_new: (x) => gelu(x, { approximate: "tanh" }),
  gelu_pytorch_tanh: (x) => gelu(x, { approximate: "tanh" }),
};

export function activation(name: string): (x: Tensor) => Tensor {
  const found = ACTIVATIONS[name];
  if (found === undefined) throw unknownName("activation", name, Object.keys(ACTIVATIONS));
  return found;
}
