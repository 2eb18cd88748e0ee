// The one door: any operator of LibTorch's dispatcher, found by name, called through its schema as read at run time.
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/util/Exception.h>
#include <dlfcn.h>

#include <sstream>

#include "unrecite.h"

namespace unrecite {
namespace {

struct Operator {
  std::string name;
  c10::OperatorHandle handle;
  std::vector<ArgSpec> args;
  std::vector<bool> writes;  // per result: is it one of the arguments, written in place?
};

std::vector<Operator>& operators() {
  static auto* table = new std::vector<Operator>;
  return *table;
}

napi_ref warningHook = nullptr;
std::vector<std::string> warnings;

struct Collector final : c10::WarningHandler {
  void process(const c10::Warning& warning) override { warnings.push_back(warning.msg()); }
};

void forwardWarnings(napi_env env, const std::string& where) {
  auto pending = std::move(warnings);
  warnings.clear();
  if (warningHook == nullptr) return;
  napi_value hook, self;
  napi_get_reference_value(env, warningHook, &hook);
  napi_get_global(env, &self);
  for (const auto& message : pending) {
    napi_value args[] = {text(env, where), text(env, message)};
    napi_call_function(env, self, hook, 2, args, nullptr);
  }
}

std::pair<std::string, std::string> splitName(const std::string& name) {
  const auto dot = name.find('.');
  return dot == std::string::npos ? std::pair{name, std::string()} : std::pair{name.substr(0, dot), name.substr(dot + 1)};
}

/// `aten::matmul(f32[2,3], f32[4,5])`: what was asked, with the shapes of what it was asked of.
std::string callText(napi_env env, const Operator& op, const Args& args) {
  std::string shown;
  for (size_t i = 1; i < args.count && i <= op.args.size(); i++) {
    if (op.args[i - 1].kind != Kind::Tensor) continue;
    if (!shown.empty()) shown += ", ";
    double handle;
    if (napi_get_value_double(env, args[i], &handle) == napi_ok && isLive(handle)) shown += describe(tensorOf(handle));
    else shown += op.args[i - 1].list ? "[…]" : "none";
  }
  return op.name + "(" + shown + ")";
}

napi_value resultsOf(napi_env env, const Operator& op, const Args& args, const torch::jit::Stack& stack) {
  auto one = [&](size_t i) -> napi_value {
    if (op.writes[i] && stack[i].isTensor()) {
      // in place: hand back the handle that came in, so that one tensor keeps one owner
      for (size_t a = 1; a < args.count && a <= op.args.size(); a++) {
        double handle;
        if (op.args[a - 1].kind == Kind::Tensor && !op.args[a - 1].list &&
            napi_get_value_double(env, args[a], &handle) == napi_ok && isLive(handle) &&
            tensorOf(handle).is_same(stack[i].toTensor()))
          return args[a];
      }
    }
    return toJs(env, stack[i]);
  };
  if (stack.empty()) return undefined(env);
  if (stack.size() == 1) return one(0);
  napi_value list;
  napi_create_array_with_length(env, stack.size(), &list);
  for (size_t i = 0; i < stack.size(); i++) napi_set_element(env, list, i, one(i));
  return list;
}

torch::jit::Stack stackOf(napi_env env, const Operator& op, const Args& args) {
  if (args.count - 1 > op.args.size())
    throw Fault("ARG", "expected at most " + std::to_string(op.args.size()) + " arguments, got " +
                           std::to_string(args.count - 1));
  torch::jit::Stack stack;
  stack.reserve(op.args.size());
  bool integral = false, seen = false;
  for (size_t i = 0; i < op.args.size(); i++) {
    stack.push_back(toIValue(env, args[i + 1], op.args[i], integral));
    if (!seen && stack.back().isTensor()) {
      seen = true;
      integral = at::isIntegralType(stack.back().toTensor().scalar_type(), /*includeBool=*/true);
    }
  }
  return stack;
}

/// call(id, ...args): results in the order of the schema; undefined takes the default.
napi_value call(napi_env env, const Args& args) {
  const int64_t id = toInt(env, args[0], "op");
  if (id < 0 || size_t(id) >= operators().size()) throw Fault("ARG", "call: expected an operator id, got " + std::to_string(id));
  const Operator& op = operators()[id];
  const char* code = "TORCH";
  std::string message;
  try {
    auto stack = stackOf(env, op, args);
    op.handle.callBoxed(&stack);
    throwIfMappingLost();
    if (!warnings.empty()) forwardWarnings(env, op.name);
    return resultsOf(env, op, args, stack);
  } catch (const Fault& fault) {
    code = fault.code;
    message = fault.what();
  } catch (const c10::Error& error) {
    message = error.what_without_backtrace();
  } catch (const std::exception& error) {
    message = error.what();
  }
  throw Fault(code, callText(env, op, args) + ": " + message);
}

/// open("aten::add.Tensor"): an id for call().
napi_value open(napi_env env, const Args& args) {
  const auto name = toString(env, args[0], "name");
  const auto [base, overload] = splitName(name);
  auto handle = c10::Dispatcher::singleton().findSchema({base, overload});
  if (!handle) throw Fault("ARG", "open: expected an operator of this LibTorch, got \"" + name + "\"");
  Operator op{name, *handle, {}, {}};
  for (const auto& argument : handle->schema().arguments()) op.args.push_back(argSpecOf(argument));
  for (const auto& result : handle->schema().returns())
    op.writes.push_back(result.alias_info() != nullptr && result.alias_info()->isWrite());
  operators().push_back(std::move(op));
  return number(env, double(operators().size() - 1));
}

napi_value schema(napi_env env, const Args& args) {
  const auto [base, overload] = splitName(toString(env, args[0], "name"));
  auto handle = c10::Dispatcher::singleton().findSchema({base, overload});
  if (!handle) {
    napi_value none;
    napi_get_null(env, &none);
    return none;
  }
  std::ostringstream out;
  out << handle->schema();
  return text(env, out.str());
}

napi_value onWarning(napi_env env, const Args& args) {
  if (warningHook != nullptr) napi_delete_reference(env, warningHook);
  if (napi_create_reference(env, args[0], 1, &warningHook) != napi_ok) throw Fault("ARG", "onWarning: expected a function");
  static auto* collector = new Collector;
  c10::WarningUtils::set_warning_handler(collector);
  return undefined(env);
}

napi_value setThreads(napi_env env, const Args& args) {
  at::set_num_threads(int(toInt(env, args[0], "threads")));
  return undefined(env);
}
napi_value getThreads(napi_env env, const Args&) { return number(env, at::get_num_threads()); }
napi_value manualSeed(napi_env env, const Args& args) {
  at::manual_seed(uint64_t(toInt(env, args[0], "seed")));
  return undefined(env);
}
napi_value cpuCapability(napi_env env, const Args&) { return text(env, at::get_cpu_capability()); }

/// loadLibrary("libtorch_cuda.so"): its static constructors register the CUDA kernels; true when CUDA then answers.
napi_value loadLibrary(napi_env env, const Args& args) {
  const auto path = toString(env, args[0], "path");
  if (dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL) == nullptr) throw Fault("TORCH", std::string("loadLibrary: ") + dlerror());
  napi_value result;
  napi_get_boolean(env, at::globalContext().hasCUDA(), &result);
  return result;
}

}  // namespace

napi_value registerDispatch(napi_env env, napi_value exports) {
  define<call>(env, exports, "call");
  define<open>(env, exports, "open");
  define<schema>(env, exports, "schema");
  define<onWarning>(env, exports, "onWarning");
  define<setThreads>(env, exports, "setThreads");
  define<getThreads>(env, exports, "getThreads");
  define<manualSeed>(env, exports, "manualSeed");
  define<cpuCapability>(env, exports, "cpuCapability");
  define<loadLibrary>(env, exports, "loadLibrary");
  return exports;
}

}  // namespace unrecite
