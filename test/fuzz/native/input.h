// Takes decisions from the bytes of an input. Where the input ends, all further decisions are zero.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "../../../native/test/check.h"

namespace test {

class Input {
 public:
  Input(const uint8_t* bytes, size_t length) : at_(bytes), left_(length) {
    // A failed check must be a crash, for the fuzzer to keep the input.
    give_up = [] { std::abort(); };
  }
  bool more() const { return left_ > 0; }
  template <typename Integer>
  Integer take() {
    Integer value{};
    const size_t bytes = left_ < sizeof value ? left_ : sizeof value;
    std::memcpy(&value, at_, bytes);
    at_ += bytes;
    left_ -= bytes;
    return value;
  }
  uint8_t byte() { return take<uint8_t>(); }
  // 0 to limit - 1.
  uint64_t below(uint64_t limit) { return (limit <= 256 ? byte() : take<uint32_t>()) % limit; }

 private:
  const uint8_t* at_;
  size_t left_;
};

}  // namespace test
