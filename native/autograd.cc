// What autograd offers that is no operator: backward, gradients of chosen inputs, .grad, grad and inference mode.
#include <ATen/core/grad_mode.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <memory>

#include "unrecite.h"

namespace unrecite {
namespace {

/// null gradient entries become undefined tensors: "ones, for a scalar output".
std::vector<at::Tensor> optionalTensors(napi_env env, napi_value value, size_t count) {
  std::vector<at::Tensor> list(count);
  if (isNullish(env, value)) return {};
  uint32_t length = 0;
  napi_get_array_length(env, value, &length);
  if (length != count) throw Fault("ARG", "gradOutputs: expected one per output");
  for (uint32_t i = 0; i < length; i++) {
    napi_value element;
    napi_get_element(env, value, i, &element);
    if (!isNullish(env, element)) list[i] = tensorOf(toNumber(env, element, "gradOutputs"));
  }
  return list;
}

/// grad(outputs, inputs, gradOutputs?, retainGraph): one handle or null per input; .grad is left alone.
napi_value grad(napi_env env, const Args& args) {
  const auto outputs = toTensors(env, args[0], "outputs");
  const auto inputs = toTensors(env, args[1], "inputs");
  const bool retainGraph = !isNullish(env, args[3]) && toBool(env, args[3], "retainGraph");
  const auto grads = torch::autograd::grad(outputs, inputs, optionalTensors(env, args[2], outputs.size()), retainGraph,
                                           /*create_graph=*/false, /*allow_unused=*/true);
  throwIfMappingLost();
  napi_value list;
  napi_create_array_with_length(env, grads.size(), &list);
  for (size_t i = 0; i < grads.size(); i++) {
    napi_value element;
    if (grads[i].defined()) element = number(env, retain(grads[i]));
    else napi_get_null(env, &element);
    napi_set_element(env, list, i, element);
  }
  return list;
}

/// backward(outputs, gradOutputs?, retainGraph): accumulates into .grad of the leaves.
napi_value backward(napi_env env, const Args& args) {
  const auto outputs = toTensors(env, args[0], "outputs");
  const bool retainGraph = !isNullish(env, args[2]) && toBool(env, args[2], "retainGraph");
  torch::autograd::backward(outputs, optionalTensors(env, args[1], outputs.size()), retainGraph);
  throwIfMappingLost();
  return undefined(env);
}

napi_value gradOf(napi_env env, const Args& args) {
  const auto& gradient = tensorOf(toNumber(env, args[0], "handle")).grad();
  napi_value none;
  napi_get_null(env, &none);
  return gradient.defined() ? number(env, retain(gradient)) : none;
}

napi_value clearGrad(napi_env env, const Args& args) {
  at::Tensor tensor = tensorOf(toNumber(env, args[0], "handle"));
  tensor.mutable_grad() = at::Tensor();
  return undefined(env);
}

napi_value requireGrad(napi_env env, const Args& args) {
  at::Tensor tensor = tensorOf(toNumber(env, args[0], "handle"));
  tensor.set_requires_grad(toBool(env, args[1], "flag"));
  return undefined(env);
}

napi_value setGradMode(napi_env env, const Args& args) {
  napi_value before;
  napi_get_boolean(env, at::GradMode::is_enabled(), &before);
  at::GradMode::set_enabled(toBool(env, args[0], "flag"));
  return before;
}

// The guard is RAII and thread-local: kept on a stack and popped strictly last in, first out.
std::vector<std::unique_ptr<c10::InferenceMode>>& inferenceGuards() {
  static auto* guards = new std::vector<std::unique_ptr<c10::InferenceMode>>;
  return *guards;
}
napi_value pushInference(napi_env env, const Args&) {
  inferenceGuards().push_back(std::make_unique<c10::InferenceMode>(true));
  return undefined(env);
}
napi_value popInference(napi_env env, const Args&) {
  if (inferenceGuards().empty()) throw Fault("ARG", "popInference: expected an open inference scope, got none");
  inferenceGuards().pop_back();
  return undefined(env);
}

}  // namespace

napi_value registerAutograd(napi_env env, napi_value exports) {
  define<grad>(env, exports, "grad");
  define<backward>(env, exports, "backward");
  define<gradOf>(env, exports, "gradOf");
  define<clearGrad>(env, exports, "clearGrad");
  define<requireGrad>(env, exports, "requireGrad");
  define<setGradMode>(env, exports, "setGradMode");
  define<pushInference>(env, exports, "pushInference");
  define<popInference>(env, exports, "popInference");
  return exports;
}

}  // namespace unrecite
