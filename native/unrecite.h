// Shared declarations of the addon: errors, the handle table, conversions. C++ that knows no operator by name.
#pragma once
#include <ATen/core/Tensor.h>
#include <ATen/core/function_schema.h>
#include <ATen/core/stack.h>
#include <node_api.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace unrecite {

/// An error that reaches JavaScript as `Error` with this `code`: ARG, HANDLE, TORCH, OOM, MAPPED.
struct Fault : std::runtime_error {
  Fault(const char* code, const std::string& message) : std::runtime_error(message), code(code) {}
  const char* code;
};

// ---- handle table (tensor.cc) -------------------------------------------------------------------
/// A handle is generation * 2^24 + slot, so a stale or made-up number is found out, never followed.
using Handle = double;
Handle retain(at::Tensor tensor);
const at::Tensor& tensorOf(Handle handle);
bool isLive(Handle handle) noexcept;
std::string describe(const at::Tensor& tensor);  // f32[2,3]
napi_value registerTensor(napi_env env, napi_value exports);

// ---- values (value.cc) --------------------------------------------------------------------------
enum class Kind { Tensor, Int, Float, Bool, Scalar, String, Dtype, Layout, MemoryFormat, Device, Generator, Unsupported };

/// What one argument of an operator takes, read once from its schema.
struct ArgSpec {
  std::string name, type;
  Kind kind = Kind::Unsupported;
  bool optional = false, list = false, optionalElements = false, hasDefault = false;
  int64_t broadcast = 0;  // int[2] stride=1: one number stands for two
  c10::IValue defaultValue;
};

ArgSpec argSpecOf(const c10::Argument& argument);
c10::IValue toIValue(napi_env env, napi_value value, const ArgSpec& spec, bool integralTensor);
napi_value toJs(napi_env env, const c10::IValue& value);

double toNumber(napi_env env, napi_value value, const char* what);
int64_t toInt(napi_env env, napi_value value, const char* what);
bool toBool(napi_env env, napi_value value, const char* what);
std::string toString(napi_env env, napi_value value, const char* what);
std::vector<int64_t> toInts(napi_env env, napi_value value, const char* what);
std::vector<at::Tensor> toTensors(napi_env env, napi_value value, const char* what);
at::ScalarType dtypeNamed(const std::string& name);
const char* nameOf(at::ScalarType dtype);
bool isNullish(napi_env env, napi_value value);
napi_value number(napi_env env, double value);
napi_value text(napi_env env, const std::string& value);
napi_value undefined(napi_env env);

// ---- allocator and mapped files (allocator.cc, mapping.cc) --------------------------------------
struct MemoryCounters {
  size_t live, peak, cached, limit;
};
void installAllocator();
MemoryCounters memoryCounters();
void setMemoryLimit(size_t bytes);
void resetPeak();
void releaseCached();
size_t liveHandles();
void throwIfMappingLost();  // a mapped file shrank under us: Fault MAPPED
napi_value registerMapping(napi_env env, napi_value exports);

// ---- the door and autograd (dispatch.cc, autograd.cc) -------------------------------------------
napi_value registerDispatch(napi_env env, napi_value exports);
napi_value registerAutograd(napi_env env, napi_value exports);

// ---- entry points -------------------------------------------------------------------------------
/// Arguments of one JavaScript call.
struct Args {
  static constexpr size_t kMax = 40;
  Args(napi_env env, napi_callback_info info) : env(env) {
    napi_get_cb_info(env, info, &count, values, nullptr, nullptr);
    if (count > kMax) throw Fault("ARG", "call: expected at most 40 arguments");
  }
  /// undefined where nothing was given.
  napi_value operator[](size_t i) const { return i < count ? values[i] : undefined(env); }
  napi_env env;
  size_t count = kMax;
  napi_value values[kMax];
};

using Body = napi_value (*)(napi_env, const Args&);
void throwToJs(napi_env env) noexcept;  // rethrows the exception in flight as a JavaScript error

/// Wraps a body so that no C++ exception ever crosses into Node.
template <Body body>
napi_value entry(napi_env env, napi_callback_info info) {
  try {
    return body(env, Args(env, info));
  } catch (...) {
    throwToJs(env);
    return nullptr;
  }
}

template <Body body>
void define(napi_env env, napi_value exports, const char* name) {
  napi_value fn;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, entry<body>, nullptr, &fn);
  napi_set_named_property(env, exports, name, fn);
}

}  // namespace unrecite
