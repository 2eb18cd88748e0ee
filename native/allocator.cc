// A CPU allocator that keeps freed blocks (glibc unmaps every large tensor, and page faults then cost more than the
// arithmetic), counts bytes exactly, and turns --memory into an error of ours instead of the kernel's kill.
#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <sys/mman.h>

#include <array>
#include <bit>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "unrecite.h"

namespace unrecite {
namespace {

constexpr size_t kAlign = 64;               // one cache line; also the room for the block's header
constexpr size_t kHuge = size_t{2} << 20;   // a huge page
constexpr size_t kMapped = size_t{1} << 20; // blocks from here on are mapped one by one: glibc's heap would keep their holes
constexpr size_t kMaxCached = size_t{2} << 30;

struct Header {
  size_t requested, rounded;
};

/// Four size classes per power of two: at most a quarter of a block is waste.
size_t classOf(size_t bytes) {
  if (bytes <= 256) return 0;
  const size_t log = std::bit_width(bytes - 1) - 1;
  return 4 * log + (((bytes - 1) >> (log - 2)) & 3) + 1;
}
size_t classBytes(size_t index) {
  if (index == 0) return 256;
  const size_t log = (index - 1) / 4, quarter = (index - 1) % 4;
  return (size_t{1} << log) + (quarter + 1) * (size_t{1} << (log - 2));
}

class BlockCache final : public c10::Allocator {
 public:
  BlockCache() : owner_(std::this_thread::get_id()) {}

  c10::DataPtr allocate(size_t bytes) override {
    if (bytes == 0) return {nullptr, nullptr, &BlockCache::release, c10::Device(c10::DeviceType::CPU)};
    void* data = take(bytes);
    return {data, data, &BlockCache::release, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &BlockCache::release; }
  void copy_data(void* to, const void* from, size_t bytes) const override { default_copy_data(to, from, bytes); }

  MemoryCounters counters() {
    std::lock_guard<std::mutex> lock(mutex_);
    return {live_, peak_, cached_, limit_};
  }
  void limit(size_t bytes) {
    std::lock_guard<std::mutex> lock(mutex_);
    limit_ = bytes;
  }
  void resetPeak() {
    std::lock_guard<std::mutex> lock(mutex_);
    peak_ = live_;
  }
  void flush() {
    std::lock_guard<std::mutex> lock(mutex_);
    flushLocked();
  }
  static BlockCache& instance() {
    static auto* cache = new BlockCache;  // leaked on purpose: tensors outlive static destructors
    return *cache;
  }

 private:
  void* take(size_t bytes) {
    const size_t index = classOf(bytes);
    std::lock_guard<std::mutex> lock(mutex_);
    enforceLimit(bytes);
    void* base;
    if (auto& list = free_[index]; !list.empty()) {
      base = list.back();
      list.pop_back();
      cached_ -= classBytes(index);
    } else {
      makeRoom(classBytes(index));
      base = fresh(classBytes(index));
    }
    *static_cast<Header*>(base) = {bytes, classBytes(index)};
    live_ += bytes;
    held_ += classBytes(index);
    peakHeld_ = std::max(peakHeld_, held_);
    peak_ = std::max(peak_, live_);
    return static_cast<char*>(base) + kAlign;
  }

  // Only on the thread that owns torch: an exception inside an OpenMP region would end the process.
  void enforceLimit(size_t bytes) {
    if (limit_ == 0 || std::this_thread::get_id() != owner_) return;
    if (live_ + cached_ + bytes > limit_) flushLocked();
    if (live_ + bytes > limit_) {
      throw Fault("OOM", "memory: expected tensors within " + std::to_string(limit_) + " bytes, got " +
                             std::to_string(live_) + " in use and " + std::to_string(bytes) + " more asked for");
    }
  }

  // What is in use and what is cached together stay within what was once in use: sizes that alternate cost no extra memory.
  void makeRoom(size_t rounded) {
    for (size_t index = free_.size(); index-- > 0 && held_ + cached_ + rounded > peakHeld_;) {
      for (auto& list = free_[index]; !list.empty() && held_ + cached_ + rounded > peakHeld_; list.pop_back()) {
        cached_ -= classBytes(index);
        giveBack(list.back(), classBytes(index));
      }
    }
  }

  void* fresh(size_t rounded) {
    void* base = fromSystem(rounded + kAlign);
    if (base == nullptr) {
      flushLocked();
      base = fromSystem(rounded + kAlign);
    }
    if (base == nullptr)
      throw Fault("OOM", "memory: expected " + std::to_string(rounded) + " free bytes, got none from the system");
    return base;
  }

  static void* fromSystem(size_t total) {
    void* base = nullptr;
    if (total < kMapped) return posix_memalign(&base, kAlign, total) == 0 ? base : nullptr;
    base = mmap(nullptr, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) return nullptr;
    if (total >= 2 * kHuge) madvise(base, total, MADV_HUGEPAGE);
    return base;
  }
  static void giveBack(void* base, size_t rounded) {
    const size_t total = rounded + kAlign;
    if (total < kMapped) std::free(base);
    else munmap(base, total);
  }

  void flushLocked() {
    for (size_t index = 0; index < free_.size(); index++) {
      for (void* base : free_[index]) giveBack(base, classBytes(index));
      free_[index].clear();
    }
    cached_ = 0;
  }

  static void release(void* data) {
    if (data == nullptr) return;
    auto& self = instance();
    void* base = static_cast<char*>(data) - kAlign;
    const Header header = *static_cast<Header*>(base);
    std::lock_guard<std::mutex> lock(self.mutex_);
    self.live_ -= header.requested;
    self.held_ -= header.rounded;
    if (self.cached_ + header.rounded > kMaxCached) {
      giveBack(base, header.rounded);
      return;
    }
    self.cached_ += header.rounded;
    self.free_[classOf(header.requested)].push_back(base);
  }

  std::mutex mutex_;
  std::thread::id owner_;
  std::array<std::vector<void*>, 260> free_;
  size_t live_ = 0, peak_ = 0, cached_ = 0, limit_ = 0;
  size_t held_ = 0, peakHeld_ = 0;  // bytes of the blocks in use, and the most there ever were
};

}  // namespace

void installAllocator() { c10::SetCPUAllocator(&BlockCache::instance(), /*priority=*/1); }
MemoryCounters memoryCounters() { return BlockCache::instance().counters(); }
void setMemoryLimit(size_t bytes) { BlockCache::instance().limit(bytes); }
void resetPeak() { BlockCache::instance().resetPeak(); }
void releaseCached() { BlockCache::instance().flush(); }

}  // namespace unrecite
