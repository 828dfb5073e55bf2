// Instance: all that belongs to one environment of JavaScript, which is the main thread or a worker.
#pragma once

#include <memory>
#include <napi.h>
#include <unordered_map>
#include <unordered_set>

#include "../reactor.h"

namespace ringbell::js {

class Watcher;

struct Instance {
  explicit Instance(napi_env env) : env(env) {}
  ~Instance();
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  // The reactor starts with the first connection, so that an environment that never connects is left alone.
  Reactor& running();

  // Descriptors that JavaScript holds as numbers end with the environment: a worker may be terminated at any time.
  int own(int descriptor) {
    descriptors.insert(descriptor);
    return descriptor;
  }
  void disown(int descriptor) { descriptors.erase(descriptor); }

  napi_env env;
  napi_async_context context = nullptr;
  napi_async_cleanup_hook_handle hook = nullptr;
  Reactor* reactor = nullptr;
  std::unordered_map<Watcher*, std::shared_ptr<Watcher>> watchers;  // the open ones
  int passed = -1;  // the descriptor that came with the last read of a socket, until it is asked for
  std::unordered_set<int> descriptors;
};

Instance& instance_of(napi_env env);

// Calls a function from the event loop, and then microtasks and ticks, as Node does after its own callbacks. An exception becomes
// an uncaughtException.
void call_back(Instance& instance, napi_ref function, size_t count, napi_value* arguments);

}  // namespace ringbell::js
