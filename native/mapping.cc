// Files mapped into memory as tensors. A file that shrinks under us raises SIGBUS on the next touch: the handler puts a
// zero page there, and the call that touched it ends in our error instead of the process.
#include <ATen/ATen.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <unordered_map>

#include "unrecite.h"

namespace unrecite {
namespace {

struct Mapping {
  Mapping(std::string path, char* data, size_t size) : path(std::move(path)), data(data), size(size) {}
  ~Mapping();
  std::string path;
  char* data;
  size_t size;
};

// Read by the signal handler: fixed size, no allocation, no lock.
constexpr size_t kMaxMappings = 4096;
struct Range {
  std::atomic<char*> begin{nullptr};
  std::atomic<size_t> size{0};
};
Range ranges[kMaxMappings];
std::atomic<int> lost{-1};
struct sigaction previous;

void onBus(int signal, siginfo_t* info, void*) {
  auto* address = static_cast<char*>(info->si_addr);
  for (size_t i = 0; i < kMaxMappings; i++) {
    char* begin = ranges[i].begin.load();
    if (begin == nullptr || address < begin || address >= begin + ranges[i].size.load()) continue;
    const auto page = uintptr_t(sysconf(_SC_PAGESIZE));
    void* start = reinterpret_cast<void*>(uintptr_t(address) & ~(page - 1));
    if (mmap(start, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) break;
    lost.store(int(i));
    return;
  }
  sigaction(signal, &previous, nullptr);  // not ours: let it end the process as it would have

}

void track(char* data, size_t size) {
  static const bool installed = [] {
    struct sigaction action = {};
    action.sa_sigaction = onBus;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    return sigaction(SIGBUS, &action, &previous) == 0;
  }();
  (void)installed;
  for (auto& range : ranges) {
    if (range.begin.load() != nullptr) continue;
    range.size.store(size);
    range.begin.store(data);
    return;
  }
  throw Fault("ARG", "mapFile: expected at most 4096 mapped files");
}

Mapping::~Mapping() {
  for (auto& range : ranges)
    if (range.begin.load() == data) range.begin.store(nullptr);
  if (size > 0) munmap(data, size);
}

std::unordered_map<int64_t, std::shared_ptr<Mapping>>& mappings() {
  static auto* table = new std::unordered_map<int64_t, std::shared_ptr<Mapping>>;
  return *table;
}
int64_t nextMapping = 1;

/// mapFile(path) → [id, bytes]. Private pages: a write through a tensor never reaches the file.
napi_value mapFile(napi_env env, const Args& args) {
  const auto path = toString(env, args[0], "path");
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) throw Fault("MAPPED", path + ": " + std::strerror(errno));
  struct stat info = {};
  fstat(file, &info);
  void* data = nullptr;
  if (info.st_size > 0) data = mmap(nullptr, info.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
  const int failure = errno;
  close(file);
  if (data == MAP_FAILED) throw Fault("MAPPED", path + ": " + std::strerror(failure));
  auto mapping = std::make_shared<Mapping>(path, static_cast<char*>(data), size_t(info.st_size));
  if (mapping->size > 0) track(mapping->data, mapping->size);
  const int64_t id = nextMapping++;
  mappings().emplace(id, std::move(mapping));
  napi_value list;
  napi_create_array_with_length(env, 2, &list);
  napi_set_element(env, list, 0, number(env, double(id)));
  napi_set_element(env, list, 1, number(env, double(info.st_size)));
  return list;
}

/// mapTensor(id, offset, shape, dtype): a tensor over the file's bytes; it keeps the mapping alive.
napi_value mapTensor(napi_env env, const Args& args) {
  const auto found = mappings().find(toInt(env, args[0], "mapping"));
  if (found == mappings().end()) throw Fault("HANDLE", "mapTensor: expected an open mapping");
  auto mapping = found->second;
  const int64_t offset = toInt(env, args[1], "offset");
  const auto sizes = toInts(env, args[2], "shape");
  const auto dtype = dtypeNamed(toString(env, args[3], "dtype"));
  size_t bytes = c10::elementSize(dtype);
  for (const auto size : sizes) {
    if (size < 0 || __builtin_mul_overflow(bytes, size_t(size), &bytes))
      throw Fault("ARG", "mapTensor: expected a shape of a real size");
  }
  if (offset < 0 || bytes > mapping->size || size_t(offset) > mapping->size - bytes)
    throw Fault("ARG", "mapTensor: expected bytes within " + mapping->path + " (" + std::to_string(mapping->size) +
                           "), got offset " + std::to_string(offset) + " + " + std::to_string(bytes));
  auto tensor = at::for_blob(mapping->data + offset, sizes)
                    .deleter([mapping](void*) {})
                    .options(at::TensorOptions().dtype(dtype))
                    .make_tensor();
  return number(env, retain(std::move(tensor)));
}

/// dropPages(handle): the pages of a mapped tensor leave memory until they are read again; others are left alone.
/// What was written through the mapping would be lost: for tensors that are only read.
napi_value dropPages(napi_env env, const Args& args) {
  const auto& tensor = tensorOf(toNumber(env, args[0], "handle"));
  if (!tensor.is_contiguous()) return undefined(env);
  auto* begin = static_cast<char*>(tensor.data_ptr());
  const auto page = uintptr_t(sysconf(_SC_PAGESIZE));
  for (auto& range : ranges) {
    char* start = range.begin.load();
    if (start == nullptr || begin < start || begin >= start + range.size.load()) continue;
    const auto from = (uintptr_t(begin) + page - 1) & ~(page - 1), to = (uintptr_t(begin) + tensor.nbytes()) & ~(page - 1);
    if (to > from) madvise(reinterpret_cast<void*>(from), to - from, MADV_DONTNEED);
  }
  return undefined(env);
}

napi_value unmapFile(napi_env env, const Args& args) {
  mappings().erase(toInt(env, args[0], "mapping"));
  return undefined(env);
}

}  // namespace

void throwIfMappingLost() {
  if (lost.load() < 0) return;
  char* begin = ranges[lost.exchange(-1)].begin.load();
  std::string path = "a mapped file";
  for (const auto& [id, mapping] : mappings())
    if (mapping->data == begin) path = mapping->path;
  throw Fault("MAPPED", path + ": the file became shorter while it was in use");
}

napi_value registerMapping(napi_env env, napi_value exports) {
  define<mapFile>(env, exports, "mapFile");
  define<mapTensor>(env, exports, "mapTensor");
  define<dropPages>(env, exports, "dropPages");
  define<unmapFile>(env, exports, "unmapFile");
  return exports;
}

}  // namespace unrecite
