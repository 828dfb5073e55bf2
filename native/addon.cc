// The addon's table of contents. lib/native/binding.ts is its other half and says what each function does.
//
//   js/sockets.cc       sockets and descriptors as numbers; the lock on a file
//   js/watcher.*        calls JavaScript when a descriptor can be read or written
//   js/regions.cc       the shared memory of a connection
//   js/segments.cc      memory for blocks
//   js/buffers.*        ArrayBuffers over memory that is not the engine's own
//   js/connections.cc   a connection, and what it tells JavaScript
//   js/lanes.*          a lane: the hot path
//   js/layout.cc        all numbers that both languages must know, frozen
//   js/numbers.h        the numbers among them that no other file of native/ needs
//   js/instance.*       what belongs to one environment; calls from the event loop
//   js/values.*         values and arguments; the rule for terminated workers
//
// Only this file and native/js/ know JavaScript. Methods are plain C Node-API, and a method for every message or batch takes no
// arguments. Functions get their arguments through node-addon-api, without C++ exceptions.
#include <napi.h>

#include "js/exports.h"
#include "js/instance.h"
#include "js/numbers.h"
#include "js/values.h"

static Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  using namespace ringbell::js;
  env.SetInstanceData<Instance>(new Instance(env));
  export_sockets(exports);
  export_watchers(exports);
  export_regions(exports);
  export_segments(exports);
  export_buffers(exports);
  export_connections(exports);
  export_layout(exports);
  set(env, exports, "cores", number(env, ringbell::usable_cores()));
  set(env, exports, "abiVersion", number(env, ringbell::kAbiVersion));
  set(env, exports, "interfaceVersion", number(env, kInterfaceVersion));
  return exports;
}

NODE_API_MODULE(ringbell, initialize)
