#include "region.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__linux__)
#include <sys/random.h>
#else
#include <cstdlib>
#endif

namespace ringbell {

namespace {

void fill_random(void* into, size_t bytes) {
#if defined(__linux__)
  size_t filled = 0;
  while (filled < bytes) {
    const ssize_t got = getrandom(static_cast<char*>(into) + filled, bytes - filled, 0);
    if (got > 0) filled += static_cast<size_t>(got);
  }
#else
  arc4random_buf(into, bytes);
#endif
}

}  // namespace

uint64_t region_bytes(std::span<const uint64_t> capacities) {
  uint64_t bytes = data_start(static_cast<uint32_t>(capacities.size()));
  for (const uint64_t capacity : capacities) bytes += kRingsALane * capacity;
  return bytes;
}

Region::Region(std::span<const uint64_t> capacities, bool sealed)
    : lanes_(static_cast<uint32_t>(capacities.size())), bytes_(region_bytes(capacities)), sealed_(sealed) {
  std::memcpy(capacities_, capacities.data(), capacities.size_bytes());
}

Region::~Region() {
  close_descriptor();
  if (memory_ != nullptr) munmap(memory_, bytes_);
}

void Region::close_descriptor() {
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
}

bool Region::map(int descriptor, Failure& failure) {
  void* memory = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (memory == MAP_FAILED) return fail(failure, "mmap");
  memory_ = static_cast<std::byte*>(memory);
  return true;
}

std::shared_ptr<Region> Region::create(std::span<const uint64_t> capacities, const std::string& name,
                                       Failure& failure) {
  std::shared_ptr<Region> region(new Region(capacities, name.empty()));
  const int descriptor = memory_file_create(region->bytes_, name, Allocation::on_use, failure);
  if (descriptor < 0) return nullptr;
  region->descriptor_ = descriptor;
  memory_file_close_seals(descriptor);
  if (!region->map(descriptor, failure)) {
    if (!name.empty()) shm_unlink(name.c_str());
    return nullptr;
  }
  // The peer opens a region that has a name itself.
  if (!name.empty()) region->close_descriptor();

  RegionHeader header{};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.version = kAbiVersion;
  header.lanes = region->lanes_;
  header.bytes = region->bytes_;
  fill_random(header.nonce, sizeof header.nonce);
  // The rest is zero as fresh memory is: nothing published, nobody asleep.
  std::memcpy(region->memory_, &header, sizeof header);
  return region;
}

std::shared_ptr<Region> Region::open(std::span<const uint64_t> capacities, const std::string& name, int descriptor,
                                     Failure& failure) {
  std::shared_ptr<Region> region(new Region(capacities, name.empty()));
  if (!name.empty()) {
    descriptor = shm_open(name.c_str(), O_RDWR, 0);
    if (descriptor < 0) {
      fail(failure, "shm_open");
      return nullptr;
    }
  }
  region->descriptor_ = descriptor;
  struct stat status {};
  if (fstat(descriptor, &status) != 0) {
    fail(failure, "fstat");
    return nullptr;
  }
#if defined(__linux__)
  if (name.empty() && !memory_file_is_safe(descriptor, false, failure)) return nullptr;
#endif
  // macOS rounds shared memory up to its page of 16 KiB.
  if (!S_ISREG(status.st_mode) && name.empty()) {
    fail(failure, "fstat", EINVAL);
    return nullptr;
  }
  if (static_cast<uint64_t>(status.st_size) < region->bytes_) {
    fail(failure, "fstat", EINVAL);
    return nullptr;
  }
  if (!region->map(descriptor, failure)) return nullptr;
  region->close_descriptor();
  RegionHeader header;
  std::memcpy(&header, region->memory_, sizeof header);
  if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0 || header.version != kAbiVersion ||
      header.lanes != region->lanes_ || header.bytes != region->bytes_) {
    fail(failure, "mmap", EINVAL);
    return nullptr;
  }
  return region;
}

RingControl* Region::control(uint32_t lane, uint32_t ring) const {
  return reinterpret_cast<RingControl*>(memory_ + control_offset(lane, ring));
}

std::byte* Region::data(uint32_t lane, uint32_t ring) const {
  uint64_t offset = data_start(lanes_);
  for (uint32_t i = 0; i < lane; ++i) offset += kRingsALane * capacities_[i];
  return memory_ + offset + ring * capacities_[lane];
}

void Region::give_back([[maybe_unused]] std::byte* from, [[maybe_unused]] std::byte* to) const {
#if defined(__linux__)
  static const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t first = align_up(reinterpret_cast<uintptr_t>(from), page);
  const uintptr_t last = reinterpret_cast<uintptr_t>(to) & ~(page - 1);
  // It fails where the memory was locked, by mlockall, for example. Then the memory stays.
  if (sealed_ && first < last) (void)madvise(reinterpret_cast<void*>(first), last - first, MADV_REMOVE);
#endif
}

std::string Region::nonce() const {
  uint8_t bytes[kNonceBytes];
  std::memcpy(bytes, memory_ + offsetof(RegionHeader, nonce), sizeof bytes);
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (const uint8_t byte : bytes) {
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

}  // namespace ringbell
