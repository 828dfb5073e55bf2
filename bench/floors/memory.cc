// What memory itself gives one core: BYTES copied, read through, or filled, over and over. Nothing that copies messages is
// faster.
#include "duel.h"

namespace {

/// A byte that the memory does not hold, so that to look for it is to read all of them.
constexpr int kAbsent = 255;

/// Keeps the compiler from leaving out a lap whose outcome nobody looks at.
void use(const void* memory) { asm volatile("" : : "g"(memory) : "memory"); }

/// Memory of whole pages, all of them there. Huge ones where the system has them: this is the floor.
unsigned char* allocate(size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    std::perror("mmap");
    std::exit(1);
  }
#ifdef MADV_HUGEPAGE
  madvise(memory, bytes, MADV_HUGEPAGE);
#endif
  std::memset(memory, 0, bytes);
  return static_cast<unsigned char*>(memory);
}

template <typename Lap>
void measure(uint64_t count, Lap lap) {
  for (uint64_t i = 0; i <= count / 10; i++) lap(i);  // warm-up
  const uint64_t begin = duel::now();
  for (uint64_t i = 0; i < count; i++) lap(i);
  duel::print_stream(count, duel::now() - begin);
}

}  // namespace

int main(int argc, char** argv) {
  const duel::Task task = duel::parse(argc, argv);
  if (task.bytes == 0) duel::refuse(task);
  duel::die_with_parent();
  duel::pin(task.driver_core);
  unsigned char* memory = allocate(task.bytes);
  if (task.mode == "copy") {
    unsigned char* copy = allocate(task.bytes);
    measure(task.count, [&](uint64_t) {
      std::memcpy(copy, memory, task.bytes);
      use(copy);
    });
  } else if (task.mode == "read") {
    measure(task.count, [&](uint64_t) {
      if (std::memchr(memory, kAbsent, task.bytes) != nullptr) std::_Exit(1);
      use(memory);
    });
  } else if (task.mode == "write") {
    measure(task.count, [&](uint64_t i) {
      std::memset(memory, static_cast<int>(i % kAbsent), task.bytes);
      use(memory);
    });
  } else {
    duel::refuse(task);
  }
}
