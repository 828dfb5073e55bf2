// Watches a descriptor for JavaScript: sockets before they are a connection, and the sockets of streams.
#pragma once

#include <memory>
#include <napi.h>

typedef struct uv_poll_s uv_poll_t;

namespace ringbell::js {

struct Instance;

// The instance owns a watcher until it is closed.
class Watcher {
 public:
  explicit Watcher(Instance& instance) : instance_(instance) {}

  // Returns 0 or a libuv error.
  static int open(Instance& instance, int descriptor, Napi::Function callback, std::shared_ptr<Watcher>& watcher);

  // `events`: of libuv; 0 stops.
  void set(int events);
  void set_ref(bool ref);
  // For good; the descriptor stays open. Idempotent.
  void close();

 private:
  void heard(int status, int events);
  void tell(bool readable, bool writable);

  Instance& instance_;
  uv_poll_t* poll_ = nullptr;
  int events_ = 0;
  napi_ref callback_ = nullptr;
};

}  // namespace ringbell::js
