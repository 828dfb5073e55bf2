// Instance: all that belongs to one environment of JavaScript, which is the main thread or a worker.
#pragma once

#include <cstring>
#include <memory>
#include <napi.h>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "../lane.h"
#include "../reactor.h"

namespace ringbell::js {

class Watcher;

// The lanes of an environment, by numbers that JavaScript has. It writes the number of a lane to a word, and then calls a function that is
// the same for all lanes: functions of its own would take a lane more memory than all else that it has.
class LaneTable {
 public:
  uint32_t add(Lane* lane);
  void remove(uint32_t number);
  // The lane of which the word has the number, or null.
  Lane* selected() const {
    uint32_t number;
    std::memcpy(&number, word->bytes, sizeof number);
    return number < lanes_.size() ? lanes_[number] : nullptr;
  }

  const std::shared_ptr<Memory> word = std::make_shared<Memory>(sizeof(int32_t));

 private:
  std::vector<Lane*> lanes_;
  std::vector<uint32_t> free_;
};

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
  // Also of what JavaScript holds, which may go later.
  const std::shared_ptr<LaneTable> lanes = std::make_shared<LaneTable>();
  napi_ref lane_calls = nullptr;  // the functions of all lanes
  napi_ref connections_kind = nullptr, regions_kind = nullptr, watchers_kind = nullptr;  // see make_of_kind
  int passed = -1;  // the descriptor that came with the last read of a socket, until it is asked for
  std::unordered_set<int> descriptors;
};

Instance& instance_of(napi_env env);

// Calls a function from the event loop, and then microtasks and ticks, as Node does after its own callbacks. An exception becomes
// an uncaughtException.
void call_back(Instance& instance, napi_ref function, size_t count, napi_value* arguments);

}  // namespace ringbell::js
