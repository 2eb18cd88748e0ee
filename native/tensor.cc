// Integer handles to tensors, bytes in and out, counters.
#include <ATen/ATen.h>

#include <cmath>
#include <cstring>

#include "unrecite.h"

namespace unrecite {
namespace {

constexpr uint64_t kSlots = uint64_t{1} << 24;
constexpr uint64_t kGenerations = uint64_t{1} << 28;

struct Slot {
  at::Tensor tensor;
  uint64_t generation = 1;
};
std::vector<Slot>& slots() {
  static auto* table = new std::vector<Slot>;
  return *table;
}
std::vector<uint32_t>& vacant() {
  static auto* list = new std::vector<uint32_t>;
  return *list;
}
size_t liveCount = 0;

Slot* find(Handle handle) noexcept {
  if (!(handle >= double(kSlots) && handle < 9007199254740992.0) || std::trunc(handle) != handle) return nullptr;
  const auto bits = uint64_t(handle);
  const uint64_t index = bits % kSlots, generation = bits / kSlots;
  if (index >= slots().size()) return nullptr;
  auto& slot = slots()[index];
  return slot.generation == generation && slot.tensor.defined() ? &slot : nullptr;
}

void release(Handle handle) noexcept {
  auto* slot = find(handle);
  if (slot == nullptr) return;
  slot->tensor.reset();
  slot->generation = slot->generation + 1 < kGenerations ? slot->generation + 1 : 1;
  vacant().push_back(uint32_t(uint64_t(handle) % kSlots));
  liveCount--;
}

napi_value free_(napi_env env, const Args& args) {
  for (size_t i = 0; i < args.count; i++) release(toNumber(env, args[i], "handle"));
  return undefined(env);
}

napi_value freeMany(napi_env env, const Args& args) {
  uint32_t length = 0;
  napi_get_array_length(env, args[0], &length);
  for (uint32_t i = 0; i < length; i++) {
    napi_value element;
    napi_get_element(env, args[0], i, &element);
    release(toNumber(env, element, "handle"));
  }
  return undefined(env);
}

napi_value shape(napi_env env, const Args& args) {
  const auto sizes = tensorOf(toNumber(env, args[0], "handle")).sizes();
  napi_value list;
  napi_create_array_with_length(env, sizes.size(), &list);
  for (size_t i = 0; i < sizes.size(); i++) napi_set_element(env, list, i, number(env, double(sizes[i])));
  return list;
}
napi_value dtype(napi_env env, const Args& args) {
  return text(env, nameOf(tensorOf(toNumber(env, args[0], "handle")).scalar_type()));
}
napi_value device(napi_env env, const Args& args) {
  return text(env, tensorOf(toNumber(env, args[0], "handle")).device().str());
}
napi_value live(napi_env env, const Args& args) {
  napi_value result;
  napi_get_boolean(env, isLive(toNumber(env, args[0], "handle")), &result);
  return result;
}

std::pair<void*, size_t> bytesOf(napi_env env, napi_value value) {
  void* data = nullptr;
  size_t length = 0;
  bool isTyped = false;
  napi_is_typedarray(env, value, &isTyped);
  napi_typedarray_type type;
  if (isTyped) napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr);
  if (!isTyped || type != napi_uint8_array) throw Fault("ARG", "bytes: expected a Uint8Array");
  return {data, length};
}

/// fromBytes(bytes, shape, dtype): a new CPU tensor holding a copy.
napi_value fromBytes(napi_env env, const Args& args) {
  const auto [data, length] = bytesOf(env, args[0]);
  const auto sizes = toInts(env, args[1], "shape");
  for (const auto size : sizes)
    if (size < 0) throw Fault("ARG", "fromBytes: expected sizes of 0 or more, got " + std::to_string(size));
  auto tensor = at::empty(sizes, at::TensorOptions().dtype(dtypeNamed(toString(env, args[2], "dtype"))));
  if (tensor.nbytes() != length)
    throw Fault("ARG", "fromBytes: expected " + std::to_string(tensor.nbytes()) + " bytes for " + describe(tensor) +
                           ", got " + std::to_string(length));
  if (length > 0) std::memcpy(tensor.data_ptr(), data, length);
  return number(env, retain(std::move(tensor)));
}

/// readInto(handle, bytes): copies the tensor's values, contiguous, into the given Uint8Array of exactly that size.
napi_value readInto(napi_env env, const Args& args) {
  const auto source = tensorOf(toNumber(env, args[0], "handle")).detach().to(at::kCPU).contiguous();
  const auto [data, length] = bytesOf(env, args[1]);
  if (source.nbytes() != length)
    throw Fault("ARG", "readInto: expected room for " + std::to_string(source.nbytes()) + " bytes, got " +
                           std::to_string(length));
  if (length > 0) std::memcpy(data, source.data_ptr(), length);
  throwIfMappingLost();
  return undefined(env);
}

napi_value memory(napi_env env, const Args&) {
  const auto counters = memoryCounters();
  napi_value list;
  napi_create_array_with_length(env, 5, &list);
  const double values[] = {double(liveCount), double(counters.live), double(counters.peak), double(counters.cached),
                           double(counters.limit)};
  for (uint32_t i = 0; i < 5; i++) napi_set_element(env, list, i, number(env, values[i]));
  return list;
}
napi_value memoryLimit(napi_env env, const Args& args) {
  setMemoryLimit(size_t(toInt(env, args[0], "bytes")));
  return undefined(env);
}
napi_value memoryResetPeak(napi_env env, const Args&) {
  resetPeak();
  return undefined(env);
}
napi_value memoryRelease(napi_env env, const Args&) {
  releaseCached();
  return undefined(env);
}

}  // namespace

Handle retain(at::Tensor tensor) {
  uint32_t index;
  if (vacant().empty()) {
    if (slots().size() >= kSlots) throw Fault("HANDLE", "handles: expected at most 2^24 live tensors");
    index = uint32_t(slots().size());
    slots().emplace_back();
  } else {
    index = vacant().back();
    vacant().pop_back();
  }
  auto& slot = slots()[index];
  slot.tensor = std::move(tensor);
  liveCount++;
  return double(slot.generation * kSlots + index);
}

const at::Tensor& tensorOf(Handle handle) {
  auto* slot = find(handle);
  if (slot == nullptr) throw Fault("HANDLE", "expected a live tensor, got a disposed or unknown handle");
  return slot->tensor;
}
bool isLive(Handle handle) noexcept { return find(handle) != nullptr; }
size_t liveHandles() { return liveCount; }

napi_value registerTensor(napi_env env, napi_value exports) {
  define<free_>(env, exports, "free");
  define<freeMany>(env, exports, "freeMany");
  define<shape>(env, exports, "shape");
  define<dtype>(env, exports, "dtype");
  define<device>(env, exports, "device");
  define<live>(env, exports, "live");
  define<fromBytes>(env, exports, "fromBytes");
  define<readInto>(env, exports, "readInto");
  define<memory>(env, exports, "memory");
  define<memoryLimit>(env, exports, "memoryLimit");
  define<memoryResetPeak>(env, exports, "memoryResetPeak");
  define<memoryRelease>(env, exports, "memoryRelease");
  return exports;
}

}  // namespace unrecite
