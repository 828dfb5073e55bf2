// ArrayBuffers over memory that is not the engine's own.
#pragma once

#include <memory>
#include <napi.h>

#include "../lane.h"

namespace ringbell::js {

// An ArrayBuffer over memory that `owner` keeps; null where the runtime forbids such buffers, as Electron does.
template <typename T>
napi_value view_of(napi_env env, void* bytes, size_t length, const std::shared_ptr<T>& owner) {
  auto* kept = new std::shared_ptr<T>(owner);
  const auto finalize = [](napi_env, void*, void* hint) { delete static_cast<std::shared_ptr<T>*>(hint); };
  napi_value buffer = nullptr;
  if (napi_create_external_arraybuffer(env, bytes, length, finalize, kept, &buffer) == napi_ok) return buffer;
  delete kept;
  return nullptr;
}

// An ArrayBuffer over the memory, which both own. Where the runtime forbids that, the ArrayBuffer owns the memory alone: the lane's
// object in JavaScript holds the buffer for as long as native code may use it.
napi_value make_buffer(napi_env env, const std::shared_ptr<Memory>& memory);

}  // namespace ringbell::js
