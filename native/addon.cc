// Module start: installs the allocator, refuses a second thread, registers the entry points.
#include <c10/util/Exception.h>

#include <mutex>
#include <thread>

#include "unrecite.h"

namespace unrecite {

void throwToJs(napi_env env) noexcept {
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (pending) return;
  const char* code = "TORCH";
  std::string message;
  try {
    throw;
  } catch (const Fault& fault) {
    code = fault.code;
    message = fault.what();
  } catch (const c10::Error& error) {
    message = error.what_without_backtrace();
  } catch (const std::exception& error) {
    message = error.what();
  } catch (...) {
    message = "unknown C++ exception";
  }
  napi_throw_error(env, code, message.c_str());
}

static napi_value start(napi_env env, napi_value exports) {
  static std::once_flag once;
  static std::thread::id owner;
  std::call_once(once, [] {
    owner = std::this_thread::get_id();
    installAllocator();
  });
  if (owner != std::this_thread::get_id()) {
    napi_throw_error(env, "ARG", "unrecite: expected one thread for all torch work, got a second (worker) thread");
    return nullptr;
  }
  registerTensor(env, exports);
  registerDispatch(env, exports);
  registerAutograd(env, exports);
  registerMapping(env, exports);
  return exports;
}

}  // namespace unrecite

NAPI_MODULE_INIT() { return unrecite::start(env, exports); }
